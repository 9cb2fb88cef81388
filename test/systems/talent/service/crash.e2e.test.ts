/** A talent that is killed while 64 callers write: every acknowledged change is there afterwards, none is there twice. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { plotTasks } from '../../../../projections/talent/plot-tasks.js';
import { systemClock } from '../../../../src/base/clock.js';
import { isTransient } from '../../../../src/base/failure-kinds.js';
import type { SqlRow } from '../../../../src/base/sql.js';
import { openDatabase } from '../../../../src/base/sqlite.js';
import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { Projector } from '../../../../src/runtime/read-models/projector.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { collect } from '../../../support/events.js';
import { logLines } from '../../../support/log-lines.js';
import { startTalentProcess } from '../../../support/owl-process.js';
import { orderFor, startTalentNode } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';
import { runTalentApart } from '../support/talent-process.js';

const CALLERS = 64;
const KILLS = 3;
const ANSWERS_BETWEEN_KILLS = 1500;

/** The events of each task, and the commands they come from. */
const STEPS = [
  ['PlotTaskReceived', 'create'],
  ['PlotTaskReported', 'report'],
  ['PlotTaskStopRequested', 'stop'],
  ['PlotTaskRetried', 'retry'],
] as const;

type Send = () => Promise<{ is_success?: boolean; msg?: string }>;

/** Sends the same command until it is answered, as a peer does that gets no answer. Answers how often it was sent. */
async function insist(send: Send, givenUp: AbortSignal): Promise<number> {
  for (let times = 1; ; times++) {
    try {
      const { is_success, msg } = await send();
      if (is_success !== true) throw new Error(`refused: ${msg}`);
      return times;
    } catch (error) {
      if (!isTransient(error) || givenUp.aborted) throw error;
    }
  }
}

/** The table as it is, and as a rebuild from the events makes it. */
async function rebuilt(t: Test, data: string): Promise<{ before: SqlRow[]; after: SqlRow[] }> {
  const file = join(data, 'owl.db');
  const store = openSqliteEventStore(file);
  const db = openDatabase(file);
  const rows = () =>
    db
      .prepare('SELECT * FROM plot_tasks ORDER BY id')
      .all()
      .map((row) => ({ ...row }));
  const { logger } = logLines();
  const projector = new Projector({ store, db, projection: plotTasks, clock: systemClock, logger });
  t.teardown(async () => {
    await projector.stop();
    db.close();
    await store.close();
  });
  await projector.start();
  await projector.caughtUpTo(await store.head());
  const before = rows();
  await projector.rebuild();
  return { before, after: rows() };
}

t.test('killed three times while 64 callers write', async (t) => {
  const data = join(t.testdir(), 'data');
  const talent = await runTalentApart(data);
  const ending = new AbortController();
  t.teardown(() => {
    ending.abort();
    return talent.kill();
  });
  let answers = 0;
  let sentAgain = 0;
  let over = false;

  /** Orders one task after the other, reports of it, stops it and takes it up again; each command has an id of its own. */
  async function call(caller: string): Promise<string[]> {
    const client = new PlotManagerClient({ server: talent.address });
    const insisted = async (send: Send) => {
      sentAgain += (await insist(send, ending.signal)) - 1;
      answers++;
    };
    const taskIds: string[] = [];
    try {
      while (!over) {
        const task_id = `${caller}-${taskIds.length}`;
        taskIds.push(task_id);
        await insisted(() => client.create({ ...orderFor(task_id), command_id: 'create' }));
        await insisted(() => client.update({ task_id, log_offset: 7, command_id: 'report' }));
        await insisted(() => client.stop({ task_id, command_id: 'stop' }));
        await insisted(() => client.retry({ task_id, command_id: 'retry' }));
      }
      return taskIds;
    } finally {
      client.close();
    }
  }

  const calling = Promise.all(Array.from({ length: CALLERS }, (_, n) => call(`caller-${n}`)));
  for (let kill = 1; kill <= KILLS; kill++) {
    const enough = answers + ANSWERS_BETWEEN_KILLS;
    await until(`${enough} answers`, () => answers >= enough, 60_000);
    await talent.kill();
    await talent.start();
  }
  over = true;
  const taskIds = (await calling).flat();
  t.ok(sentAgain > 0, `${answers} answers, ${sentAgain} commands sent again`);
  t.equal(answers, taskIds.length * STEPS.length);

  const client = new PlotManagerClient({ server: talent.address });
  t.teardown(() => client.close());
  for (const task_id of taskIds) {
    const history = await collect(client.history({ task_id }));
    t.strictSame(
      history.map(({ revision = 0, type, causation_id }) => [revision, type, causation_id]),
      STEPS.map(([type, command], revision) => [revision, type, command]),
      `${task_id}: every change once`,
    );
  }

  await talent.stop();
  const { before, after } = await rebuilt(t, data);
  t.equal(before.length, taskIds.length);
  t.strictSame(after, before, 'a rebuild gives the same table');
});

t.test(
  'the data directory of a running talent is refused with its pid, of a killed one it is free',
  async (t) => {
    const data = join(t.testdir(), 'data');
    const talent = await runTalentApart(data);
    t.teardown(() => talent.kill());
    const { pid } = JSON.parse(readFileSync(join(data, 'owl.pid'), 'utf8'));
    t.not(pid, process.pid);
    await t.rejects(startTalentNode(t, { data }), {
      kind: 'refused',
      message: new RegExp(`^data directory ${data} is in use by process ${pid}, since `),
    });
    await talent.kill();
    const next = await startTalentNode(t, { data });
    t.equal(next.talent.workerId, talent.workerId, 'it is the same node');
  },
);

t.test('SIGTERM answers what is under way, and what was answered is kept', async (t) => {
  const cwd = t.testdir();
  const data = join(cwd, 'data');
  const talent = await startTalentProcess(t, ['--data', data], cwd);
  const client = new PlotManagerClient({ server: talent.address });
  t.teardown(() => client.close());
  const ids = Array.from({ length: CALLERS }, (_, n) => `t${n}`);
  await Promise.all(ids.map((id) => client.create(orderFor(id))));

  const answered = new Map<string, number>();
  const failures: unknown[] = [];
  const writing = ids.map(async (task_id) => {
    for (let step = 1; ; step++) {
      try {
        const { is_success } = await client.update({ task_id, log_offset: step });
        if (is_success === true) answered.set(task_id, step);
      } catch (error) {
        failures.push(error);
        return;
      }
    }
  });
  await until('all of them write', () => ids.every((id) => (answered.get(id) ?? 0) > 2));
  talent.process.child.kill('SIGTERM');
  const { code, stderr } = await talent.process.ended;
  await Promise.all(writing);
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /"level":[56]0/, 'nothing went wrong on the way');
  for (const error of failures) t.match(error, { kind: 'unavailable' });

  const again = await startTalentNode(t, { data });
  for (const [task_id, step] of answered) {
    const { log_offset = 0 } = await again.client.status({ task_id });
    t.equal(log_offset, step, `${task_id}: what was answered and no more, for nothing under way was cut off`);
  }
});
