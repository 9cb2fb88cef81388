/**
 * The questions that are asked of `plot_tasks`. Each runs on an index; lists come in the order of the running `id` and in
 * pages by it, so that a page stays right while tasks come and go.
 */

import { type Database, KeptStatements, type SqlRow, type SqlValue } from '../../src/base/sql.js';

export interface PlotTaskFilter {
  /** Any of these; undefined or empty: all. */
  readonly statuses?: readonly string[];
  readonly workerId?: string;
  /** Matches cache1 or cache2. */
  readonly cache?: string;
  readonly cache1?: string;
  /** Unix seconds, inclusive. */
  readonly createdFrom?: number;
  /** Unix seconds, exclusive. */
  readonly createdBefore?: number;
  readonly taskIdPrefix?: string;
}

export interface PlotTaskPage {
  /** Only tasks behind this `id`, in the order asked for. */
  readonly after?: number;
  /** Only tasks up to this `id`, itself included. */
  readonly upTo?: number;
  readonly limit?: number;
  readonly newestFirst?: boolean;
}

const HEAD = 'id, task_id, worker_id, status, attempt, revision';

export class PlotTaskQueries {
  private readonly statements: KeptStatements;

  constructor(db: Pick<Database, 'prepare'>) {
    this.statements = new KeptStatements(db);
  }

  get(taskId: string): SqlRow | undefined {
    return this.statements.of('SELECT * FROM plot_tasks WHERE task_id = ?').get(taskId);
  }

  /** The largest running number; 0 without tasks. */
  lastId(): number {
    return Number(this.statements.of('SELECT coalesce(max(id), 0) AS last FROM plot_tasks').get()?.['last']);
  }

  /**
   * The first running number behind `after` that a match may have; undefined when there is none. Where statuses are asked for it
   * is found at once in their indexes, however many tasks lie between.
   */
  nextId({ statuses = [], ...filter }: PlotTaskFilter, after: number): number | undefined {
    if (statuses.length === 0) return after < this.lastId() ? after + 1 : undefined;
    const first = statuses
      .map((status) => this.query('min(id) AS id', { ...filter, statuses: [status] }, { after })[0]?.['id'])
      .filter((id) => typeof id === 'number');
    return first.length === 0 ? undefined : Math.min(...first);
  }

  /** The beginnings of their rows: a whole row takes a hundred times as long to read. */
  heads(filter: PlotTaskFilter, page: PlotTaskPage): SqlRow[] {
    return this.query(HEAD, filter, page);
  }

  /** How long the newest `limit` plots that a worker has finished took, in seconds, as far as that is known. */
  durations(workerId: string, limit: number): { ksize: number; seconds: number }[] {
    return this.all(
      `SELECT ksize, finished_time - running_time AS seconds FROM
        (SELECT ksize, finished_time, running_time FROM plot_tasks WHERE worker_id = ? AND status = 'finished'
          ORDER BY id DESC LIMIT ?)
        WHERE finished_time > running_time`,
      [workerId, limit],
    ).map(({ ksize, seconds }) => ({ ksize: Number(ksize), seconds: Number(seconds) }));
  }

  select(filter: PlotTaskFilter, page: PlotTaskPage = {}): SqlRow[] {
    return this.query('*', filter, page);
  }

  private query(columns: string, filter: PlotTaskFilter, page: PlotTaskPage = {}): SqlRow[] {
    const where: string[] = [];
    const values: SqlValue[] = [];
    const add = (condition: string, ...given: SqlValue[]) => {
      where.push(condition);
      values.push(...given);
    };
    const { statuses = [] } = filter;
    if (statuses.length > 0) add(`status IN (${statuses.map(() => '?')})`, ...statuses);
    if (filter.workerId !== undefined) add('worker_id = ?', filter.workerId);
    if (filter.cache1 !== undefined) add('cache1 = ?', filter.cache1);
    if (filter.cache !== undefined) {
      // Two index look-ups; an OR over both columns would read the whole table.
      add(
        'id IN (SELECT id FROM plot_tasks WHERE cache1 = ? UNION SELECT id FROM plot_tasks WHERE cache2 = ?)',
        filter.cache,
        filter.cache,
      );
    }
    // Tasks are numbered about as they are created, so a span of times is a span of ids in which few are out of place. Left
    // to itself, SQLite would read the table from its beginning for the sake of the order: each + keeps it from one such idea.
    if (filter.createdFrom !== undefined) {
      add('id >= (SELECT min(+id) FROM plot_tasks WHERE create_time >= ?)', filter.createdFrom);
      add('+create_time >= ?', filter.createdFrom);
    }
    if (filter.createdBefore !== undefined) {
      add('id <= (SELECT max(+id) FROM plot_tasks WHERE create_time < ?)', filter.createdBefore);
      add('+create_time < ?', filter.createdBefore);
    }
    // Ids are ASCII, so everything that begins with the prefix lies between it and its last possible continuation.
    if (filter.taskIdPrefix !== undefined)
      add('task_id BETWEEN ? AND ?', filter.taskIdPrefix, `${filter.taskIdPrefix}\u007f`);
    const { after, upTo, limit, newestFirst = false } = page;
    if (after !== undefined) add(newestFirst ? 'id < ?' : 'id > ?', after);
    if (upTo !== undefined) add('id <= ?', upTo);
    const sql = [
      `SELECT ${columns} FROM plot_tasks`,
      where.length > 0 ? `WHERE ${where.join(' AND ')}` : '',
      `ORDER BY id ${newestFirst ? 'DESC' : 'ASC'}`,
      limit === undefined ? '' : 'LIMIT ?',
    ].join(' ');
    return this.all(sql, limit === undefined ? values : [...values, limit]);
  }

  private all(sql: string, values: readonly SqlValue[]): SqlRow[] {
    return this.statements.of(sql).all(...values);
  }
}
