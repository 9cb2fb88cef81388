/** What the reactor makes of the events of supervisors: for which tasks, and under which ids. */

import t, { type Test } from 'tap';
import { PlotTaskQueries } from '../../../../../projections/talent/plot-task-queries.js';
import { plotTasks } from '../../../../../projections/talent/plot-tasks.js';
import { openDatabase } from '../../../../../src/base/sqlite.js';
import type { RecordedEvent } from '../../../../../src/runtime/event-store/event-store.js';
import { lostSupervisors } from '../../../../../src/systems/talent/service/supervisors/lost-supervisors.js';
import { propose } from '../../../../support/events.js';
import { storeLives, T0 } from '../../../../support/plot-task-lives.js';
import { projecting } from '../../../../support/projecting.js';

const CONTEXT = { now: 0, signal: new AbortController().signal };

function supervisorEvent(type: string, data: { worker_id: string; lost_time?: number }): RecordedEvent {
  return { ...propose({ ...data }, { type }), stream: 'supervisor-worker-1', revision: 1, position: '9' };
}

async function reacting(t: Test) {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  db.exec(plotTasks.createTable('plot_tasks'));
  plotTasks.writer(db, 'plot_tasks').apply(await storeLives(projecting(t).store));
  const waitedFor: string[] = [];
  const newest = new Map([['worker-1', 1]]);
  const reactor = lostSupervisors({
    tasks: new PlotTaskQueries(db),
    standingRevision: (workerId) => newest.get(workerId),
    giveUpSeconds: 600,
    caughtUp: async (position) => {
      waitedFor.push(position);
    },
  });
  return { db, waitedFor, newest, reactor };
}

t.test('the living tasks of the supervisor, once the read model knows them', async (t) => {
  const { reactor, waitedFor } = await reacting(t);
  for (const type of ['SupervisorLost', 'SupervisorReturned', 'SupervisorAttached', 'SupervisorDetached']) {
    const commands = await reactor.react(
      supervisorEvent(type, { worker_id: 'worker-1', lost_time: T0 }),
      CONTEXT,
    );
    t.same(
      commands.map(({ id }) => id),
      ['retried', 'waiting'],
      type,
    );
  }
  t.same(waitedFor, ['9', '9', '9', '9']);
  t.same(await reactor.react(supervisorEvent('SupervisorPainted', { worker_id: 'worker-1' }), CONTEXT), []);
});

t.test('an event that a later one has overtaken is left to that one', async (t) => {
  const { reactor, newest } = await reacting(t);
  const lost = supervisorEvent('SupervisorLost', { worker_id: 'worker-1', lost_time: T0 });
  t.equal((await reactor.react(lost, CONTEXT)).length, 2);
  newest.set('worker-1', lost.revision + 1);
  t.same(await reactor.react(lost, CONTEXT), []);
});

t.test(
  'a command has the same id when the reaction is repeated, whatever other tasks there are',
  async (t) => {
    const { reactor, db } = await reacting(t);
    const lost = supervisorEvent('SupervisorLost', { worker_id: 'worker-1', lost_time: T0 });
    const idFor = async (event: RecordedEvent, taskId: string) =>
      (await reactor.react(event, CONTEXT)).find(({ id }) => id === taskId)?.command.id;
    const before = await idFor(lost, 'waiting');
    db.exec(`UPDATE plot_tasks SET status = 'finished' WHERE task_id = 'retried'`);
    t.equal(await idFor(lost, 'waiting'), before);
    t.type(before, 'string');
    const again = supervisorEvent('SupervisorLost', { worker_id: 'worker-1', lost_time: T0 + 50 });
    t.not(await idFor(again, 'waiting'), before, 'another loss is another command');
  },
);
