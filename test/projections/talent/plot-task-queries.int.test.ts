/** The questions asked of `plot_tasks`: what they answer, and that each runs on an index. */

import t from 'tap';
import {
  type PlotTaskFilter,
  type PlotTaskPage,
  PlotTaskQueries,
} from '../../../projections/talent/plot-task-queries.js';
import { plotTasks } from '../../../projections/talent/plot-tasks.js';
import { openDatabase, type SqliteDatabase } from '../../../src/base/sqlite.js';

const TASKS = 40;
const STATUSES = ['received', 'pending', 'running', 'finished'];

/**
 * Forty tasks, created a second apart, with ids that sort in another order. Two were created by a node whose clock is slow.
 */
function filledTable(): SqliteDatabase {
  const db = openDatabase(':memory:');
  db.exec(plotTasks.createTable('plot_tasks'));
  for (const index of plotTasks.indexes) db.exec(index);
  const insert =
    db.prepare(`INSERT INTO plot_tasks (create_time, update_time, worker_id, task_id, status, ksize, cache1,
    cache2, threads, buffer, dest_path, received_time, revision) VALUES (?, ?, ?, ?, ?, 32, ?, ?, 4, 4096, '/d', ?, 0)`);
  for (let n = 1; n <= TASKS; n++) {
    const taskId = `${n % 2 === 0 ? 'task' : 'plot'}_${String(99 - n)}`;
    const createTime = n === 13 || n === 31 ? n - 8 : n;
    insert.run(createTime, n, `w${n % 3}`, taskId, STATUSES[n % 4] ?? '', `/c${n % 5}`, `/c${n % 7}`, n);
  }
  return db;
}

/** Prepares on the database, and takes note of what. */
function recording(db: SqliteDatabase, prepared: Set<string>): Pick<SqliteDatabase, 'prepare'> {
  return {
    prepare: (sql) => {
      prepared.add(sql);
      return db.prepare(sql);
    },
  };
}

const FILTERS: readonly [filter: PlotTaskFilter, matches: (n: number) => boolean][] = [
  [{}, () => true],
  [{ statuses: [] }, () => true],
  [{ statuses: ['running'] }, (n) => n % 4 === 2],
  [{ statuses: ['received', 'finished'] }, (n) => n % 4 === 0 || n % 4 === 3],
  [{ workerId: 'w1' }, (n) => n % 3 === 1],
  [{ workerId: 'w1', statuses: ['received', 'pending', 'running'] }, (n) => n % 3 === 1 && n % 4 !== 3],
  [{ cache: '/c1' }, (n) => n % 5 === 1 || n % 7 === 1],
  [{ cache: '/c1', statuses: ['running'] }, (n) => (n % 5 === 1 || n % 7 === 1) && n % 4 === 2],
  [{ cache: '/c' }, () => false],
  [{ cache1: '/c1' }, (n) => n % 5 === 1],
  [{ cache1: '/c1', statuses: ['running'] }, (n) => n % 5 === 1 && n % 4 === 2],
  [{ createdFrom: 10 }, (n) => n >= 10 && n !== 13],
  [{ createdBefore: 10 }, (n) => n < 10 || n === 13],
  [{ createdFrom: 10, createdBefore: 30 }, (n) => n >= 10 && n < 32 && ![13, 30].includes(n)],
  [{ createdFrom: 100 }, () => false],
  [{ createdBefore: 1 }, () => false],
  [{ taskIdPrefix: 'task_' }, (n) => n % 2 === 0],
  [{ taskIdPrefix: 'task_6' }, (n) => n % 2 === 0 && 99 - n >= 60 && 99 - n < 70],
  [{ taskIdPrefix: 'TASK' }, () => false],
  [{ taskIdPrefix: '%' }, () => false],
  [
    {
      statuses: ['running'],
      workerId: 'w1',
      cache: '/c1',
      createdFrom: 1,
      createdBefore: 40,
      taskIdPrefix: 't',
    },
    (n) => n % 4 === 2 && n % 3 === 1 && (n % 5 === 1 || n % 7 === 1) && n < 40 && n % 2 === 0,
  ],
];

const ALL = Array.from({ length: TASKS }, (_, i) => i + 1);

t.test('filters answer what matches, in the order of the ids', async (t) => {
  const db = filledTable();
  t.teardown(() => db.close());
  const queries = new PlotTaskQueries(db);
  const idsOf = (filter: PlotTaskFilter, page?: PlotTaskPage) =>
    queries.select(filter, page).map(({ id }) => id);
  for (const [filter, matches] of FILTERS) {
    const wanted = ALL.filter(matches);
    const name = JSON.stringify(filter);
    t.strictSame(idsOf(filter), wanted, name);
    t.strictSame(idsOf(filter, { limit: 3 }), wanted.slice(0, 3), `${name}, a first page`);
    t.strictSame(
      idsOf(filter, { limit: 3, after: 17 }),
      wanted.filter((n) => n > 17).slice(0, 3),
      `${name}, a next page`,
    );
    const newest = wanted.toReversed();
    t.strictSame(idsOf(filter, { limit: 3, newestFirst: true }), newest.slice(0, 3), `${name}, newest first`);
    t.strictSame(
      idsOf(filter, { limit: 3, newestFirst: true, after: 17 }),
      newest.filter((n) => n < 17).slice(0, 3),
      `${name}, newest first, a next page`,
    );
  }
  t.match(queries.get('plot_98'), { id: 1 });
  t.equal(queries.get('plot_9'), undefined);
  for (const [filter, matches] of FILTERS) {
    const name = JSON.stringify(filter);
    const found = ALL.filter(matches);
    for (const after of [0, 17, 50, 98]) {
      const behind = found.filter((n) => n > after);
      const window = { after, upTo: after + 20 };
      const within = behind.filter((n) => n <= window.upTo);
      t.strictSame(idsOf(filter, window), within, `${name}, a window`);
      t.strictSame(
        queries.heads(filter, window).map((row) => [Number(row['id']), Object.keys(row)]),
        within.map((n) => [n, ['id', 'task_id', 'worker_id', 'status', 'attempt', 'revision']]),
      );
      const next = queries.nextId(filter, after);
      if (filter.statuses === undefined || filter.statuses.length === 0)
        t.equal(next, after < TASKS ? after + 1 : undefined);
      else t.equal(next, behind[0], `${name}, the next one behind ${after}`);
    }
  }
  t.equal(queries.lastId(), TASKS);
});

t.test('every question runs on an index', async (t) => {
  const db = filledTable();
  t.teardown(() => db.close());
  const prepared = new Set<string>();
  const queries = new PlotTaskQueries(recording(db, prepared));
  queries.get('plot_98');
  queries.nextId({ statuses: ['running'] }, 17);
  queries.nextId({ statuses: ['running'], workerId: 'w1' }, 17);
  queries.nextId({ statuses: ['running'], cache1: '/c1' }, 17);
  const pages: (PlotTaskPage | undefined)[] = [
    undefined,
    { limit: 3 },
    { limit: 3, after: 17 },
    { limit: 3, after: 17, newestFirst: true },
    { after: 17, upTo: 37 },
  ];
  for (const [filter] of FILTERS) for (const page of pages) queries.select(filter, page);
  t.ok(prepared.size > 40, `${prepared.size} statements`);
  for (const sql of prepared) {
    const plan = db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => String(detail));
    // The whole table in the order of its key is the one question that has to read all of it.
    const readsAll = plan.filter((step) => /^(SCAN|SEARCH) plot_tasks$/.test(step));
    t.strictSame(readsAll, sql.includes('WHERE') ? [] : ['SCAN plot_tasks'], `${sql}: ${plan.join('; ')}`);
  }
});

t.test('questions of many shapes leave the ones before usable', async (t) => {
  const db = filledTable();
  t.teardown(() => db.close());
  const queries = new PlotTaskQueries(db);
  for (let count = 1; count <= 200; count++)
    queries.select({ statuses: Array.from({ length: count }, (_, i) => STATUSES[i % 4] ?? '') });
  t.match(queries.get('plot_98'), { id: 1 });
  t.equal(queries.select({ statuses: STATUSES }).length, TASKS);
});
