/**
 * What metrics ask of `plot_tasks` and `supervisors`. Each question reads a bounded number of rows or index entries, however many
 * plots there have been.
 */

import { type Database, KeptStatements, type SqlRow, type SqlValue } from '../../src/base/sql.js';

/** How a plot ended, as far as its log told. Seconds. */
const ENDED = [
  ...['status', 'revision', 'ksize'],
  ...['p1_total_time', 'p2_total_time', 'p3_total_time', 'p4_total_time', 'copy_time', 'total_time'],
] as const;

export class PlotTaskFigures {
  private readonly statements: KeptStatements;

  constructor(db: Pick<Database, 'prepare'>) {
    this.statements = new KeptStatements(db);
  }

  /** The largest running number; 0 without tasks. */
  lastId(): number {
    return this.count('SELECT coalesce(max(id), 0) AS counted FROM plot_tasks');
  }

  /** Tasks in a state whose running numbers lie behind `after` and up to `upTo`. */
  countIn(status: string, after: number, upTo: number): number {
    const sql = 'SELECT count(*) AS counted FROM plot_tasks WHERE status = ? AND id > ? AND id <= ?';
    return this.count(sql, status, after, upTo);
  }

  /** `progress` and `stage_now` of the newest that run. */
  running(limit: number): SqlRow[] {
    const sql = `SELECT progress, stage_now FROM plot_tasks WHERE status = 'running' ORDER BY id DESC LIMIT ?`;
    return this.statements.of(sql).all(limit);
  }

  /** Tasks that wait for a machine whose supervisor holds no lease; `limit` where there are more. */
  withoutSupervisor(limit: number): number {
    return this.count(
      `SELECT count(*) AS counted FROM (SELECT 1 FROM plot_tasks WHERE status IN ('received', 'pending')
        AND worker_id NOT IN (SELECT worker_id FROM supervisors WHERE status = 'attached') LIMIT ?)`,
      limit,
    );
  }

  /**
   * `standing` and how many supervisors are in it: the status of the lease, but `gone` for those that were lost before `lostBefore`
   * (Unix seconds) and of whose worker no task waits or is under way.
   */
  supervisors(lostBefore: number): SqlRow[] {
    const sql = `SELECT CASE WHEN status = 'lost' AND lost_time < ? AND NOT EXISTS (SELECT 1 FROM plot_tasks
        WHERE plot_tasks.worker_id = supervisors.worker_id AND plot_tasks.status IN ('received', 'pending', 'started', 'running', 'stopping'))
      THEN 'gone' ELSE status END AS standing, count(*) AS counted FROM supervisors GROUP BY standing`;
    return this.statements.of(sql).all(lostBefore);
  }

  ended(taskId: string): SqlRow | undefined {
    return this.statements.of(`SELECT ${ENDED} FROM plot_tasks WHERE task_id = ?`).get(taskId);
  }

  private count(sql: string, ...values: readonly SqlValue[]): number {
    return Number(this.statements.of(sql).get(...values)?.['counted']);
  }
}
