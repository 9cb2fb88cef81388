/**
 * The read model `plot_tasks`: one row per task, as the requirement lists its columns, and a few more.
 *
 * Units: points in time are Unix seconds, durations seconds, CPU percent of one core, sizes bytes, `buffer` MiB, `progress`
 * 0 to 100. What nobody gave is NULL. Everything comes from the events, the running `id` (the task's place among all that
 * were received) and the times included, so a rebuild gives the same table.
 *
 * Idempotent by itself: a row says which revision of its task it shows, an event that is in it already changes nothing,
 * and an event that would leave a hole is an error. The one thing in a row that is no event's: a task whose stream was deleted
 * or cut off by hand while it was under way is `failed`, and its remarks say why.
 */

import { FINAL_STATES } from '../../machines/talent/final-states.js';
import type { PlotTaskEvent } from '../../machines/talent/plot-task-events.js';
import type { Database, SqlValue, Statement } from '../../src/base/sql.js';
import { ORDER_ACCEPTED, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import type { Projection, ProjectionWriter } from '../../src/runtime/read-models/projection.js';

const createTable = (table: string) => `CREATE TABLE ${table} (
    id INTEGER PRIMARY KEY,
    create_time REAL NOT NULL,
    update_time REAL NOT NULL,
    worker_id TEXT NOT NULL CHECK (worker_id <> ''),
    task_id TEXT NOT NULL UNIQUE CHECK (task_id <> ''),
    plot_pid INTEGER CHECK (plot_pid > 0),
    log_pid INTEGER CHECK (log_pid > 0),
    status TEXT NOT NULL DEFAULT 'received' CHECK (status IN
      ('received', 'pending', 'started', 'running', 'stopping', 'stopped', 'finished', 'failed')),
    plot_id TEXT,
    fpk TEXT,
    ppk TEXT,
    memo TEXT,
    ksize INTEGER NOT NULL CHECK (ksize > 0),
    cache1 TEXT NOT NULL CHECK (cache1 <> ''),
    cache2 TEXT NOT NULL CHECK (cache2 <> ''),
    threads INTEGER NOT NULL CHECK (threads > 0),
    buffer INTEGER NOT NULL CHECK (buffer > 0),
    stripe_size INTEGER,
    buckets INTEGER,
    progress REAL DEFAULT 0.0 CHECK (progress BETWEEN 0 AND 100),
    p1_t1_time REAL, p1_t1_cpu REAL,
    p1_t2_time REAL, p1_t2_cpu REAL,
    p1_t3_time REAL, p1_t3_cpu REAL,
    p1_t4_time REAL, p1_t4_cpu REAL,
    p1_t5_time REAL, p1_t5_cpu REAL,
    p1_t6_time REAL, p1_t6_cpu REAL,
    p1_t7_time REAL, p1_t7_cpu REAL,
    p1_total_time REAL, p1_total_cpu REAL,
    p1_table_1_now_size INTEGER,
    p2_t7_scan_time REAL, p2_t7_scan_cpu REAL, p2_t7_sort_time REAL, p2_t7_sort_cpu REAL,
    ${sumOfScanAndSort('p2_t7')},
    p2_t6_scan_time REAL, p2_t6_scan_cpu REAL, p2_t6_sort_time REAL, p2_t6_sort_cpu REAL,
    ${sumOfScanAndSort('p2_t6')},
    p2_t5_scan_time REAL, p2_t5_scan_cpu REAL, p2_t5_sort_time REAL, p2_t5_sort_cpu REAL,
    ${sumOfScanAndSort('p2_t5')},
    p2_t4_scan_time REAL, p2_t4_scan_cpu REAL, p2_t4_sort_time REAL, p2_t4_sort_cpu REAL,
    ${sumOfScanAndSort('p2_t4')},
    p2_t3_scan_time REAL, p2_t3_scan_cpu REAL, p2_t3_sort_time REAL, p2_t3_sort_cpu REAL,
    ${sumOfScanAndSort('p2_t3')},
    p2_t2_scan_time REAL, p2_t2_scan_cpu REAL, p2_t2_sort_time REAL, p2_t2_sort_cpu REAL,
    ${sumOfScanAndSort('p2_t2')},
    p2_t1_scan_time REAL, p2_t1_scan_cpu REAL, p2_t1_sort_time REAL, p2_t1_sort_cpu REAL,
    ${sumOfScanAndSort('p2_t1')},
    p2_total_time REAL, p2_total_cpu REAL,
    p3_t1_2_time REAL, p3_t1_2_cpu REAL,
    p3_t2_3_time REAL, p3_t2_3_cpu REAL,
    p3_t3_4_time REAL, p3_t3_4_cpu REAL,
    p3_t4_5_time REAL, p3_t4_5_cpu REAL,
    p3_t5_6_time REAL, p3_t5_6_cpu REAL,
    p3_t6_7_time REAL, p3_t6_7_cpu REAL,
    p3_total_time REAL, p3_total_cpu REAL,
    p4_total_time REAL, p4_total_cpu REAL,
    total_time REAL, total_cpu REAL,
    copy_time REAL, copy_cpu REAL,
    dest_type TEXT NOT NULL DEFAULT 'nfs' CHECK (dest_type IN ('local', 'nfs')),
    dest_path TEXT NOT NULL CHECK (dest_path <> ''),
    dest_file_name TEXT,

    received_time REAL NOT NULL,
    pending_time REAL,
    started_time REAL,
    running_time REAL,
    finished_time REAL,
    remarks TEXT,
    stage_now INTEGER,
    p1_now INTEGER, p2_now INTEGER, p3_now TEXT,
    wrote INTEGER,
    dest_dir TEXT,
    exit_code INTEGER,
    exit_signal TEXT,
    log_offset INTEGER,
    /* The stage texts of phases and tables, as an object from '<phase or table>_stage'. */
    stages TEXT CHECK (stages IS NULL OR json_valid(stages)),
    attempt INTEGER NOT NULL DEFAULT 1 CHECK (attempt > 0),
    revision INTEGER NOT NULL CHECK (revision >= 0)
  ) STRICT`;

/** A table of phase 2 is scanned and then sorted: its time is the sum, its CPU the mean over that time. */
function sumOfScanAndSort(table: string): string {
  const work = (part: string) => `coalesce(${table}_${part}_time * ${table}_${part}_cpu, 0)`;
  const time = (part: string) => `coalesce(${table}_${part}_time, 0)`;
  const timed = (part: string) => `iif(${table}_${part}_cpu IS NULL, 0, ${time(part)})`;
  return `${table}_time REAL AS (iif(${table}_scan_time IS NULL AND ${table}_sort_time IS NULL, NULL,
      ${time('scan')} + ${time('sort')})),
    ${table}_cpu REAL AS ((${work('scan')} + ${work('sort')}) / nullif(${timed('scan')} + ${timed('sort')}, 0))`;
}

type RowEventType = PlotTaskEvent['type'] | typeof ORDER_ACCEPTED;

/** The status an event leads to, as SQL over the row before it; `status` where it stays. */
const STATUS_AFTER: Readonly<Record<RowEventType, string>> = {
  [ORDER_ACCEPTED]: 'status',
  PlotTaskReceived: `'received'`,
  PlotTaskPending: `'pending'`,
  PlotTaskStarted: `'started'`,
  PlotTaskRunning: `'running'`,
  PlotTaskReported: 'status',
  PlotTaskFinished: `'finished'`,
  PlotTaskStopRequested: `iif(status IN ('received', 'pending'), 'stopped', 'stopping')`,
  PlotTaskStopped: `'stopped'`,
  PlotTaskFailed: `'failed'`,
  PlotTaskRetried: `'received'`,
  PlotTaskSupervisorLost: 'status',
  PlotTaskSupervisorReturned: 'status',
};

/** Data of events that is no column: since when a task is lost and when it fails is the timer's business. */
const NOT_IN_THE_ROW = new Set(['lost_time', 'fail_at']);

/** What stays when a task is received again; everything else belongs to the attempt before. */
const KEPT_BY_RETRY = new Set(
  'id create_time worker_id task_id fpk ppk ksize cache1 cache2 threads buffer dest_type dest_path'.split(
    ' ',
  ),
);

/** Statements kept prepared. Peers choose which fields they report, so the number of shapes is theirs to drive up. */
const PREPARED_STATEMENTS = 256;

class PlotTaskWriter implements ProjectionWriter {
  private readonly db: Database;
  private readonly table: string;
  private readonly columns: ReadonlySet<string>;
  private readonly statements = new Map<string, Statement>();
  private readonly revisionOf: Statement;

  constructor(db: Database, table: string) {
    this.db = db;
    this.table = table;
    this.columns = new Set(
      db
        .prepare(`SELECT name FROM pragma_table_info(?)`)
        .all(table)
        .map((row) => String(row['name'])),
    );
    this.revisionOf = db.prepare(`SELECT revision FROM ${table} WHERE task_id = ?`);
  }

  /** Reports that follow each other on one task are one UPDATE: on a busy stream that is most of them. */
  apply(events: readonly RecordedEvent[]): void {
    const reports = new Map<string, RecordedEvent[]>();
    for (const event of events) {
      const waiting = reports.get(event.stream);
      if (event.type === 'PlotTaskReported') {
        if (waiting === undefined) reports.set(event.stream, [event]);
        else waiting.push(event);
        continue;
      }
      if (waiting !== undefined) this.report(waiting);
      reports.delete(event.stream);
      if (event.type === 'PlotTaskReceived') this.insert(event);
      else this.step(event);
    }
    for (const waiting of reports.values()) this.report(waiting);
  }

  /** A task that was under way has failed: whatever becomes of it, nobody can record it any more. */
  cutOff(event: RecordedEvent): void {
    const { metadata, damage } = event;
    this.statement('cut off', () => {
      const ended = FINAL_STATES.map((state) => `'${state}'`).join(', ');
      return `UPDATE ${this.table} SET status = 'failed', remarks = ?, update_time = ?
        WHERE task_id = ? AND status NOT IN (${ended})`;
    }).run(damage ?? null, metadata.time / 1000, taskIdOf(event));
  }

  private report(events: readonly RecordedEvent[]): void {
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) return;
    const inOrder = last.revision - first.revision === events.length - 1;
    if (events.length > 1 && inOrder) {
      const data = Object.assign({}, ...events.map((event) => event.data));
      if (this.update(last, data, first.revision - 1)) return;
    }
    for (const event of events) this.step(event);
  }

  private step(event: RecordedEvent): void {
    if (!this.update(event, event.data, event.revision - 1)) this.checkApplied(event);
  }

  private insert(event: RecordedEvent): void {
    const { names, values } = this.split(event.data);
    const time = event.metadata.time / 1000;
    this.statement(`insert ${names}`, () => {
      const columns = ['create_time', 'update_time', 'revision', ...names];
      return `INSERT INTO ${this.table} (id, ${columns}) SELECT coalesce(max(id), 0) + 1, ${columns.map(() => '?')}
        FROM ${this.table} WHERE true ON CONFLICT (task_id) DO NOTHING`;
    }).run(time, time, event.revision, ...values);
  }

  /**
   * False when the row does not show revision `from`.
   * @param data of the event, and of those before it that the row does not show
   */
  private update(event: RecordedEvent, data: RecordedEvent['data'], from: number): boolean {
    const { type } = event;
    if (!isPlotTaskEventType(type)) throw new Error(`${type} is no event of a plot task`);
    const { names, values, stages } = this.split(data);
    if (stages !== undefined) values.push(stages);
    const statement = this.statement(`${type} ${names} ${stages !== undefined}`, () => {
      const set = names.map((name) => `${name} = ?`);
      if (stages !== undefined) set.push(`stages = json_patch(coalesce(stages, '{}'), ?)`);
      if (type === 'PlotTaskRetried') set.push(...this.cleared(names));
      set.push(`status = ${STATUS_AFTER[type]}`, 'update_time = ?', 'revision = ?');
      return `UPDATE ${this.table} SET ${set} WHERE task_id = ? AND revision = ?`;
    });
    const time = event.metadata.time / 1000;
    return statement.run(...values, time, event.revision, taskIdOf(event), from).changes > 0;
  }

  /** Columns and their values; the stage texts go together into one. */
  private split(data: RecordedEvent['data']) {
    const names: string[] = [];
    const values: SqlValue[] = [];
    const stages: Record<string, string | null> = {};
    let staged = false;
    for (const [name, value] of Object.entries(data)) {
      if (typeof value !== 'string' && typeof value !== 'number')
        throw new Error(`${name} is neither text nor number`);
      if (this.columns.has(name)) {
        names.push(name);
        values.push(value === '' ? null : value);
      } else if (name.endsWith('_stage')) {
        stages[name] = value === '' ? null : String(value);
        staged = true;
      } else if (!NOT_IN_THE_ROW.has(name)) {
        throw new Error(`plot_tasks has no column for ${name}`);
      }
    }
    return { names, values, stages: staged ? JSON.stringify(stages) : undefined };
  }

  private cleared(given: readonly string[]): string[] {
    const set = new Set([...given, ...KEPT_BY_RETRY, 'status', 'update_time', 'revision', 'progress']);
    return [
      ...[...this.columns].filter((name) => !set.has(name)).map((name) => `${name} = NULL`),
      'progress = 0.0',
    ];
  }

  private checkApplied(event: RecordedEvent): void {
    const taskId = taskIdOf(event);
    const shown = this.revisionOf.get(taskId)?.['revision'];
    if (typeof shown === 'number' && shown >= event.revision) return;
    throw new Error(
      shown === undefined
        ? `plot_tasks has no row for ${taskId}, which is at revision ${event.revision}`
        : `plot_tasks shows ${taskId} at revision ${shown}; revision ${event.revision} would leave a hole`,
    );
  }

  private statement(shape: string, sql: () => string): Statement {
    const known = this.statements.get(shape);
    if (known !== undefined) return known;
    const oldest = this.statements.size >= PREPARED_STATEMENTS ? this.statements.keys().next() : undefined;
    if (oldest !== undefined && oldest.done !== true) this.statements.delete(oldest.value);
    const prepared = this.db.prepare(sql());
    this.statements.set(shape, prepared);
    return prepared;
  }
}

function taskIdOf({ stream }: RecordedEvent): string {
  return stream.slice(stream.indexOf('-') + 1);
}

function isPlotTaskEventType(type: string): type is RowEventType {
  return Object.hasOwn(STATUS_AFTER, type);
}

export const plotTasks: Projection = {
  name: 'plot_tasks',
  version: 1,
  categories: ['plot_task'],
  table: 'plot_tasks',
  createTable,
  // One for each question that is asked often: what waits or runs (here, in a cache), and pages by time.
  indexes: [
    'CREATE INDEX plot_tasks_by_status ON plot_tasks (status, id)',
    'CREATE INDEX plot_tasks_by_worker ON plot_tasks (worker_id, status, id)',
    'CREATE INDEX plot_tasks_by_cache1 ON plot_tasks (cache1, status, id)',
    'CREATE INDEX plot_tasks_by_cache2 ON plot_tasks (cache2, status, id)',
    'CREATE INDEX plot_tasks_by_create_time ON plot_tasks (create_time, id)',
  ],
  writer: (db, table) => new PlotTaskWriter(db, table),
};
