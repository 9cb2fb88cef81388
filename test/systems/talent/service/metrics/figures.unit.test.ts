/** What is summed up of machines, and how states are counted: bounded whatever supervisors say and however many plots there are. */

import t from 'tap';
import { PlotTaskFigures } from '../../../../../projections/talent/plot-task-figures.js';
import { plotTasks } from '../../../../../projections/talent/plot-tasks.js';
import { supervisors } from '../../../../../projections/talent/supervisors.js';
import { openDatabase } from '../../../../../src/base/sqlite.js';
import { MachineFigures } from '../../../../../src/systems/talent/service/metrics/machine-figures.js';
import { StateCounts } from '../../../../../src/systems/talent/service/metrics/state-counts.js';
import { machineFigures } from '../../../../../src/systems/talent/supervisor/machine-figures.js';
import { ManualClock } from '../../../../support/manual-clock.js';

t.test(
  'machines are summed up as long as their lease says, and reasons that nobody knows count together',
  async (t) => {
    const clock = new ManualClock();
    const machines = new MachineFigures(clock);
    const waiting = [
      { reason: 'space', tasks: 2 },
      { reason: 'made-up', tasks: 3 },
      { reason: 'made-up-too', tasks: 4 },
    ];
    machines.note('a', 30, { plotters: 2, cpu_cores: 1.5, memory_bytes: 100, waiting });
    machines.note('b', 60, { plotters: 1, cpu_cores: 0.5, memory_bytes: 10 });
    t.match(machines.sum(), { plotters: 3, cpuCores: 2, memoryBytes: 110 });
    t.equal(machines.sum().waiting.get('space'), 2);
    t.equal(machines.sum().waiting.get('other'), 7);
    machines.note('a', 30, { plotters: 1 });
    t.match(machines.sum(), { plotters: 2, cpuCores: 0.5, memoryBytes: 10 }, 'the newest counts');
    await clock.advance(30_000);
    t.match(machines.sum(), { plotters: 1 });
    machines.note('b', 60, undefined);
    t.match(machines.sum(), { plotters: 0 }, 'a supervisor of before tells nothing');
  },
);

t.test('a supervisor sums up what its plotters take', async (t) => {
  const usages = new Map([
    [1, { cpu: 150, memory: 1000 }],
    [2, { cpu: 50, memory: 24 }],
  ]);
  const told = machineFigures([1, 2, 3], new Map([['space', 2]]), { of: (pid) => usages.get(pid) });
  const odd = machineFigures(
    [1, 2],
    new Map([
      ['/a path', 1],
      ['Ω', 2],
    ]),
    {
      of: (pid) => ({ cpu: pid === 1 ? Number.NaN : -1, memory: Number.POSITIVE_INFINITY }),
    },
  );
  const waiting = [{ reason: 'other', tasks: 3 }];
  t.same(odd, { plotters: 2, cpu_cores: 0, memory_bytes: 0, waiting }, 'nothing of it would be refused');
  t.same(told, { plotters: 3, cpu_cores: 2, memory_bytes: 1024, waiting: [{ reason: 'space', tasks: 2 }] });
});

t.test('final states are counted in slices, and only when something has ended', async (t) => {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  db.exec(plotTasks.createTable('plot_tasks'));
  const insert = db.prepare(
    `INSERT INTO plot_tasks (id, create_time, update_time, worker_id, task_id, status, ksize, cache1, cache2, threads, buffer,
      dest_path, received_time, revision) VALUES (?, 1, 1, 'w', ?, ?, 32, '/c', '/c', 1, 1, '/d', 1, 0)`,
  );
  db.exec('BEGIN');
  for (let id = 1; id <= 25_000; id++) insert.run(id, `t${id}`, id % 10 === 0 ? 'failed' : 'finished');
  db.exec('COMMIT');
  const asked: string[] = [];
  class Counting extends PlotTaskFigures {
    override countIn(status: string, after: number, upTo: number): number {
      asked.push(status);
      t.ok(upTo - after <= 10_000);
      return super.countIn(status, after, upTo);
    }
  }
  const counts = new StateCounts(new Counting(db), new ManualClock());
  const first = await counts.count();
  t.match(Object.fromEntries(first), {
    finished: 22_500,
    failed: 2_500,
    stopped: 0,
    running: 0,
    received: 0,
  });
  t.equal(asked.filter((status) => status === 'finished').length, 3);
  insert.run(25_001, 'new', 'finished');
  insert.run(25_002, 'newer', 'running');
  t.match(Object.fromEntries(await counts.count()), { finished: 22_500, running: 1 });
  counts.changed();
  t.match(Object.fromEntries(await counts.count()), { finished: 22_501, running: 1 });
});

t.test('who was lost a day ago is gone, unless a task of its worker waits', async (t) => {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  db.exec(plotTasks.createTable('plot_tasks'));
  db.exec(supervisors.createTable('supervisors'));
  const supervisor = db.prepare(
    `INSERT INTO supervisors (worker_id, session_id, status, lease_seconds, attached_time, lost_time, status_revision, revision)
      VALUES (?, 's', ?, 30, 1, ?, 0, 0)`,
  );
  supervisor.run('there', 'attached', null);
  supervisor.run('came-back', 'attached', 100);
  supervisor.run('silent', 'lost', 5_000);
  supervisor.run('taken-away', 'lost', 4_999);
  supervisor.run('expected', 'lost', 100);
  const task = db.prepare(
    `INSERT INTO plot_tasks (id, create_time, update_time, worker_id, task_id, status, ksize, cache1, cache2, threads, buffer,
      dest_path, received_time, revision) VALUES (?, 1, 1, ?, ?, ?, 32, '/c', '/c', 1, 1, '/d', 1, 0)`,
  );
  task.run(1, 'expected', 'a', 'received');
  task.run(2, 'taken-away', 'b', 'failed');
  const standing = () =>
    Object.fromEntries(
      new PlotTaskFigures(db).supervisors(5_000).map((row) => [row['standing'], row['counted']]),
    );
  t.same(standing(), { attached: 2, lost: 2, gone: 1 });
  db.exec(`UPDATE plot_tasks SET status = 'stopped' WHERE task_id = 'a'`);
  t.same(standing(), { attached: 2, lost: 1, gone: 2 });
});
