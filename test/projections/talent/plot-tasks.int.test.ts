/** The table `plot_tasks`: as the requirement lists it, and the same however its events come. */

import t from 'tap';
import { plotTasks } from '../../../projections/talent/plot-tasks.js';
import type { Database, SqlValue } from '../../../src/base/sql.js';
import { openDatabase, type SqliteDatabase } from '../../../src/base/sqlite.js';
import type { RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { propose } from '../../support/events.js';
import { jsonOf, LIVES, storeLives, T0 } from '../../support/plot-task-lives.js';
import { projecting } from '../../support/projecting.js';

/** The requirement's table: every column by its name. */
const REQUIRED =
  `id create_time update_time worker_id task_id plot_pid log_pid status plot_id fpk ppk memo ksize cache1
  cache2 threads buffer stripe_size buckets progress p1_t1_time p1_t1_cpu p1_t2_time p1_t2_cpu p1_t3_time p1_t3_cpu
  p1_t4_time p1_t4_cpu p1_t5_time p1_t5_cpu p1_t6_time p1_t6_cpu p1_t7_time p1_t7_cpu p1_total_time p1_total_cpu
  p1_table_1_now_size p2_t7_time p2_t7_cpu p2_t6_time p2_t6_cpu p2_t5_time p2_t5_cpu p2_t4_time p2_t4_cpu p2_t3_time
  p2_t3_cpu p2_t2_time p2_t2_cpu p2_t1_time p2_t1_cpu p2_total_time p2_total_cpu p3_t1_2_time p3_t1_2_cpu p3_t2_3_time
  p3_t2_3_cpu p3_t3_4_time p3_t3_4_cpu p3_t4_5_time p3_t4_5_cpu p3_t5_6_time p3_t5_6_cpu p3_t6_7_time p3_t6_7_cpu
  p3_total_time p3_total_cpu p4_total_time p4_total_cpu total_time total_cpu copy_time copy_cpu dest_type dest_path
  dest_file_name`.split(/\s+/);

/** What this project keeps beside it. */
const ADDED =
  `received_time pending_time started_time running_time finished_time remarks stage_now wrote dest_dir exit_code
  exit_signal attempt revision`.split(/\s+/);

const MUST_BE_GIVEN = 'worker_id task_id ksize cache1 cache2 threads buffer dest_path'.split(' ');

function emptyTable(): SqliteDatabase {
  const db = openDatabase(':memory:');
  db.exec(plotTasks.createTable('plot_tasks'));
  return db;
}

function writerOf(db: Database) {
  return plotTasks.writer(db, 'plot_tasks');
}

function rowsIn(db: Database) {
  return db
    .prepare('SELECT * FROM plot_tasks ORDER BY id')
    .all()
    .map((row) => ({ ...row }));
}

function insert(db: Database, values: Readonly<Record<string, SqlValue>>) {
  const names = Object.keys(values);
  return db
    .prepare(`INSERT INTO plot_tasks (${names}) VALUES (${names.map(() => '?')})`)
    .run(...Object.values(values));
}

const LEAST = {
  create_time: T0,
  update_time: T0,
  worker_id: 'w',
  task_id: 'a',
  ksize: 32,
  cache1: '/c',
  cache2: '/c',
  threads: 4,
  buffer: 4096,
  dest_path: '/d',
  received_time: T0,
  revision: 0,
};

t.test('every column of the requirement is there under its name', async (t) => {
  const db = emptyTable();
  t.teardown(() => db.close());
  const info = db.prepare(`SELECT name FROM pragma_table_xinfo('plot_tasks')`).all();
  const columns = new Set(info.map((row) => row['name']));
  for (const name of [...REQUIRED, ...ADDED]) t.ok(columns.has(name), name);
  for (const part of ['scan', 'sort'])
    for (const table of [1, 2, 3, 4, 5, 6, 7])
      for (const what of ['time', 'cpu']) t.ok(columns.has(`p2_t${table}_${part}_${what}`));
});

t.test('defaults and constraints are those of the requirement', async (t) => {
  const db = emptyTable();
  t.teardown(() => db.close());
  insert(db, LEAST);
  const [row = {}] = rowsIn(db);
  const given = new Set([...Object.keys(LEAST), 'id', 'status', 'progress', 'dest_type', 'attempt']);
  t.match(row, { id: 1, status: 'received', progress: 0, dest_type: 'nfs', attempt: 1 });
  for (const [name, value] of Object.entries(row))
    if (!given.has(name)) t.equal(value, null, `${name} is NULL`);

  t.throws(() => insert(db, LEAST), { message: /UNIQUE constraint failed: plot_tasks.task_id/ });
  for (const name of MUST_BE_GIVEN) {
    const without = Object.fromEntries(
      Object.entries({ ...LEAST, task_id: 'b' }).filter(([given]) => given !== name),
    );
    t.throws(() => insert(db, without), { message: 'NOT NULL constraint failed' }, name);
    t.throws(() => insert(db, { ...LEAST, task_id: 'b', [name]: null }), {
      message: 'NOT NULL constraint failed',
    });
  }
  const refused: Record<string, SqlValue>[] = [
    { worker_id: '' },
    { task_id: '' },
    { cache1: '' },
    { cache2: '' },
    { dest_path: '' },
    { status: 'sleeping' },
    { dest_type: 'tape' },
    { ksize: 0 },
    { threads: -1 },
    { buffer: 0 },
    { progress: 101 },
    { progress: -1 },
    { plot_pid: 0 },
    { log_pid: -1 },
    { attempt: 0 },
    { revision: -1 },
    { stages: '{' },
  ];
  for (const wrong of refused)
    t.throws(
      () => insert(db, { ...LEAST, task_id: 'b', ...wrong }),
      { message: /CHECK/ },
      JSON.stringify(wrong),
    );
  t.throws(() => insert(db, { ...LEAST, task_id: 'b', ksize: 'large' }), { message: /cannot store TEXT/ });
  t.equal(rowsIn(db).length, 1);
});

t.test('rows show what the events say, with their times', async (t) => {
  const { store, db, projector } = projecting(t);
  const model = projector(plotTasks);
  await model.start();
  const events = await storeLives(store);
  await model.caughtUpTo(await store.head());
  const rows = new Map(rowsIn(db).map((row) => [row['task_id'], row]));

  t.match(rows.get('finished'), {
    id: 1,
    create_time: T0 + 0.25,
    update_time: T0 + 7.25,
    worker_id: 'worker-1',
    status: 'finished',
    plot_pid: 10,
    log_pid: 11,
    plot_id: 'plot-1',
    fpk: 'f',
    ppk: 'p',
    memo: 'm',
    ksize: 32,
    threads: 2,
    progress: 100,
    p1_t1_time: 100.5,
    p1_t1_cpu: 380,
    p1_table_1_now_size: 3_425_151_400,
    wrote: 108_825_000_000,
    received_time: T0,
    pending_time: T0 + 1,
    started_time: T0 + 2,
    running_time: T0 + 3,
    finished_time: T0 + 9,
    dest_path: '/farm/1',
    dest_dir: '/farm/2',
    dest_file_name: 'a.plot',
    remarks: null,
    stages: '{"p1_t1_stage":"done"}',
    attempt: 1,
    revision: 7,
  });
  t.match(rows.get('lost'), { id: 3, status: 'stopping', remarks: 'make room', worker_id: 'worker-2' });
  t.match(rows.get('waiting'), { id: 4, status: 'received', progress: 0, remarks: null, plot_pid: null });
  t.match(rows.get('stopped'), { id: 5, status: 'stopped', pending_time: T0 + 1, started_time: null });
  t.equal(events.length, Object.values(LIVES).flat().length);
});

t.test('a table of phase 2 takes its scan and its sort together', async (t) => {
  const db = emptyTable();
  t.teardown(() => db.close());
  const cases: [reported: Record<string, number>, time: number | null, cpu: number | null][] = [
    [{}, null, null],
    [{ p2_t6_scan_time: 10 }, 10, null],
    [{ p2_t6_sort_time: 30.25 }, 30.25, null],
    [{ p2_t6_scan_cpu: 90 }, null, null],
    [{ p2_t6_scan_time: 10, p2_t6_scan_cpu: 90 }, 10, 90],
    [{ p2_t6_scan_time: 10, p2_t6_sort_time: 30 }, 40, null],
    [{ p2_t6_scan_time: 10, p2_t6_scan_cpu: 100, p2_t6_sort_time: 30, p2_t6_sort_cpu: 60 }, 40, 70],
    [{ p2_t6_scan_time: 10, p2_t6_sort_time: 30, p2_t6_sort_cpu: 60 }, 40, 60],
    [{ p2_t6_scan_time: 0, p2_t6_scan_cpu: 50 }, 0, null],
  ];
  for (const [index, [reported, time, cpu]] of cases.entries()) {
    insert(db, { ...LEAST, task_id: `t${index}`, ...reported });
    const { p2_t6_time, p2_t6_cpu } = rowsIn(db).at(-1) ?? {};
    t.strictSame([p2_t6_time, p2_t6_cpu], [time, cpu], JSON.stringify(reported));
  }
});

t.test('a retry begins with the order and nothing of the attempt before', async (t) => {
  const { store } = projecting(t);
  const events = (await storeLives(store)).filter(({ stream }) => stream === 'plot_task-retried');
  const db = emptyTable();
  t.teardown(() => db.close());
  const writer = writerOf(db);
  for (const event of events.slice(0, 1)) writer.apply([event]);
  const [fresh = {}] = rowsIn(db);
  for (const event of events.slice(1, 7)) writer.apply([event]);
  const [retried] = rowsIn(db);
  t.strictSame(retried, {
    ...fresh,
    update_time: T0 + 6.25,
    received_time: T0 + 20,
    remarks: 'new disk',
    attempt: 2,
    revision: 6,
  });
});

t.test('every event twice gives the same table', async (t) => {
  const { store } = projecting(t);
  const events = await storeLives(store);
  const once = emptyTable();
  const twice = emptyTable();
  t.teardown(() => {
    once.close();
    twice.close();
  });
  const feed = (db: Database, given: readonly RecordedEvent[]) => {
    const writer = writerOf(db);
    for (const event of given) writer.apply([event]);
  };
  feed(once, events);
  for (const event of events) feed(twice, [event, event]);
  t.strictSame(rowsIn(twice), rowsIn(once), 'one after another, each time out of a restart');
  feed(twice, events);
  t.strictSame(rowsIn(twice), rowsIn(once), 'all of them again from the beginning');
});

t.test('batches of any size give the same table, also when they overlap', async (t) => {
  const { store } = projecting(t);
  const events = await storeLives(store);
  // Reports of one task behind each other are applied together; a task's own stream has the most of them.
  const byTask = events.toSorted((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0));
  const fed = (given: readonly RecordedEvent[], size: number, overlap: number) => {
    const db = emptyTable();
    try {
      const writer = writerOf(db);
      for (let from = 0; from < given.length; from += size)
        writer.apply(given.slice(Math.max(from - overlap, 0), from + size));
      return rowsIn(db);
    } finally {
      db.close();
    }
  };
  for (const given of [events, byTask]) {
    const wanted = fed(given, 1, 0);
    for (const size of [2, 3, 5, 7, given.length])
      for (const overlap of [0, 1, 4, given.length])
        t.strictSame(fed(given, size, overlap), wanted, `${size} events, ${overlap} of them again`);
  }
});

t.test('restarts and rebuilds give the same table', async (t) => {
  const { store, db, projector } = projecting(t);
  for (const [from, to] of [
    [0, 1],
    [1, 3],
    [3, 4],
    [4, 100],
  ] as const) {
    const model = projector(plotTasks, { batchSize: 2 });
    await model.start();
    await storeLives(store, from, to);
    await model.caughtUpTo(await store.head());
    await model.stop();
  }
  const incremental = rowsIn(db);
  t.equal(incremental.length, Object.keys(LIVES).length);

  const model = projector(plotTasks);
  await model.start();
  await model.rebuild();
  t.strictSame(rowsIn(db), incremental);
  t.equal(model.status().parked, 0);
  const indexes = db.prepare(`SELECT name FROM pragma_index_list('plot_tasks') WHERE origin = 'c'`).all();
  t.equal(indexes.length, plotTasks.indexes.length, 'the indexes are there again');
});

t.test('an event that does not fit is an error, not a guess', async (t) => {
  const db = emptyTable();
  t.teardown(() => db.close());
  const writer = writerOf(db);
  const event = (type: string, data: object, revision: number, stream = 'plot_task-a'): RecordedEvent => ({
    ...propose(jsonOf(data), { type }),
    stream,
    revision,
    position: String(revision),
  });
  const [received] = LIVES['waiting'] ?? [];
  writer.apply([event('PlotTaskReceived', { ...received?.data, task_id: 'a' }, 0)]);
  t.throws(() => writer.apply([event('PlotTaskReported', { memo: 'm' }, 2)]), {
    message: /would leave a hole/,
  });
  t.throws(() => writer.apply([event('PlotTaskReported', { memo: 'm' }, 1, 'plot_task-b')]), {
    message: /has no row for b/,
  });
  t.throws(() => writer.apply([event('PlotTaskPainted', {}, 1)]), {
    message: 'PlotTaskPainted is no event of a plot task',
  });
  t.throws(() => writer.apply([event('PlotTaskReported', { colour: 'red' }, 1)]), {
    message: 'no column for colour',
  });
  t.throws(() => writer.apply([event('PlotTaskReported', { memo: { deep: 1 } }, 1)]), {
    message: /neither text nor number/,
  });
  t.match(rowsIn(db), [{ task_id: 'a', revision: 0, memo: null }]);
});
