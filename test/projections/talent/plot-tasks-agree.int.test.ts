/**
 * Machine and table are made of the same events, each in its own way: for random lives, decided as talent decides them,
 * both say the same of a task. The lives follow from a seed, so a failure repeats.
 */

import t from 'tap';
import { createActor } from 'xstate';
import { plotTaskMachine, RECORDED_STATES } from '../../../machines/talent/plot-task.js';
import { type PlotTaskEvent, REPORTED_FIELDS } from '../../../machines/talent/plot-task-events.js';
import { plotTasks } from '../../../projections/talent/plot-tasks.js';
import { OwlError } from '../../../src/base/errors.js';
import type { SqlRow } from '../../../src/base/sql.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import type { RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { receive, report, retry, stop } from '../../../src/systems/talent/service/plot-task-commands.js';
import { readReported } from '../../../src/systems/talent/service/reports/reported-fields.js';
import { markLost, markReturned } from '../../../src/systems/talent/service/supervisor-losses.js';
import type { PlotTaskStatus } from '../../../src/systems/talent/wire/messages.js';
import { propose } from '../../support/events.js';
import { jsonOf } from '../../support/plot-task-lives.js';
import { randomFrom } from '../../support/random.js';

const LIVES = 150;
const COMMANDS = 40;
const NOW = 1_700_000_000;

function live(seed: number) {
  const random = randomFrom(seed);
  const pick = <T>(choices: readonly T[]): T =>
    choices[Math.floor(random() * choices.length)] ?? pick(choices);
  const taskId = `t${seed}`;
  const task = createActor(plotTaskMachine).start();
  const events: PlotTaskEvent[] = [];

  const details = (): PlotTaskStatus => {
    const stage = pick(['', 'computing', 'done']);
    const time = Math.fround(random() * 1000);
    return pick<PlotTaskStatus>([
      {},
      { remarks: pick(['no room', 'slow disk']) },
      { plot_pid: pick([7, 8]), log_offset: pick([100, 200]) },
      { exit_code: pick([0, 1]), exit_signal: pick(['', 'SIGTERM']) },
      {
        plot_details: {
          progress: Math.fround(random() * 100),
          id: pick(['p1', 'p2', 'p3']),
          threads: pick([2, 4]),
        },
      },
      { plot_details: { phase_1_status: { stage, now: pick([1, 2]), t1: { time, stage } } } },
      { plot_details: { phase_2_status: { t6: { scan: { time, cpu_usage: 50 } }, t5: { sort: { time } } } } },
      { plot_details: { wrote: 3_425_151_400, dest_file_name: pick(['a.plot', 'b.plot']) } },
    ]);
  };
  const commands: readonly (() => PlotTaskEvent[])[] = [
    ...['reporting', 'more', 'often', 'than', 'anything'].map(() => () => {
      const snapshot = task.getSnapshot();
      const status = pick([undefined, ...RECORDED_STATES]);
      const changes = readReported(details(), snapshot.context.reported);
      return report(snapshot, taskId, { status, times: {}, changes, attempt: undefined, now: NOW });
    }),
    () => stop(task.getSnapshot(), taskId, pick([undefined, 'sold'])),
    () => retry(task.getSnapshot(), taskId, pick([undefined, 'again']), NOW + 1),
    () => markLost(task.getSnapshot(), 'w', NOW + 2, NOW + 602),
    () => markReturned(task.getSnapshot()),
  ];
  const carryOut = (decided: readonly PlotTaskEvent[]) => {
    for (const event of decided) {
      if (!task.getSnapshot().can(event))
        throw new Error(`${event.type} is not possible in ${task.getSnapshot().value}`);
      task.send(event);
      events.push(event);
    }
  };
  const order = {
    ksize: 32,
    threads: 4,
    buffer: 4096,
    cache1: '/c',
    cache2: '/c',
    dest_type: 'nfs',
    dest_path: '/d',
  };
  carryOut(receive(task.getSnapshot(), { ...order, task_id: taskId, worker_id: 'w', received_time: NOW }));
  for (let command = 0; command < COMMANDS; command++) {
    try {
      carryOut(pick(commands)());
    } catch (error) {
      if (!(error instanceof OwlError)) throw error;
    }
  }
  const { value, context } = task.getSnapshot();
  task.stop();
  return { taskId, events, value, context };
}

/** What the table says of what was reported, as the machine has it: by column, without what is not there. */
function reportedIn(row: SqlRow): Record<string, unknown> {
  const stages: unknown = JSON.parse(String(row['stages'] ?? '{}'));
  const all = { ...row, ...(typeof stages === 'object' ? stages : {}) };
  return Object.fromEntries(
    Object.entries(all).filter(([name, value]) => name in REPORTED_FIELDS && value !== null),
  );
}

t.test('machine and table agree on random lives', async (t) => {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  db.exec(plotTasks.createTable('plot_tasks'));
  const writer = plotTasks.writer(db, 'plot_tasks');
  const ends = new Set<unknown>();
  for (let seed = 1; seed <= LIVES; seed++) {
    const { taskId, events, value, context } = live(seed);
    const recorded = events.map(
      ({ type, data }, revision): RecordedEvent => ({
        ...propose(jsonOf(data), { type }),
        stream: `plot_task-${taskId}`,
        revision,
        position: String(revision),
      }),
    );
    writer.apply(recorded);
    const row = db.prepare('SELECT * FROM plot_tasks WHERE task_id = ?').get(taskId) ?? {};
    t.strictSame(
      [row['status'], row['attempt'], row['revision']],
      [value, context.attempt, events.length - 1],
      taskId,
    );
    const known = Object.entries(context.reported).filter(
      ([name, field]) => name in REPORTED_FIELDS && field !== '',
    );
    // A row says from its beginning how far a task is; the machine only once it was told.
    t.same(reportedIn(row), { progress: 0, ...Object.fromEntries(known) }, taskId);
    ends.add(value);
  }
  t.same([...ends].sort(), [...RECORDED_STATES].sort(), 'every state was the end of one');
});
