/** The read model `supervisors`: one row per supervisor ever attached, with the state of its lease. Points in time are Unix seconds. */

import type { SupervisorEvent } from '../../machines/peers/supervisor.js';
import type { Database, SqlValue, Statement } from '../../src/base/sql.js';
import type { RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import type { Projection, ProjectionWriter } from '../../src/runtime/read-models/projection.js';

const createTable = (table: string) => `CREATE TABLE ${table} (
    worker_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    host TEXT,
    pid INTEGER,
    program_version TEXT,
    status TEXT NOT NULL CHECK (status IN ('attached', 'lost', 'detached')),
    lease_seconds INTEGER NOT NULL CHECK (lease_seconds > 0),
    node_id TEXT,
    attached_time REAL NOT NULL,
    lost_time REAL,
    returned_time REAL,
    detached_time REAL,
    reason TEXT,
    status_revision INTEGER NOT NULL CHECK (status_revision >= 0),
    revision INTEGER NOT NULL CHECK (revision >= 0)
  ) STRICT, WITHOUT ROWID`;

type Move = Exclude<SupervisorEvent['type'], 'SupervisorAttached' | 'SupervisorLeaseKept'>;

const STATUS_AFTER: Readonly<Record<Move, string>> = {
  SupervisorLost: 'lost',
  SupervisorReturned: 'attached',
  SupervisorDetached: 'detached',
};

/** Fields of the events, in the order of the statements' parameters. */
const ATTACHED = [
  ...['worker_id', 'session_id', 'host', 'pid', 'program_version'],
  ...['lease_seconds', 'node_id', 'attached_time'],
];
const MOVED = ['node_id', 'lost_time', 'returned_time', 'detached_time', 'reason'];

class SupervisorWriter implements ProjectionWriter {
  private readonly attach: Statement;
  private readonly keep: Statement;
  private readonly move: Statement;
  private readonly end: Statement;

  constructor(db: Database, table: string) {
    this.attach =
      db.prepare(`INSERT INTO ${table} (worker_id, session_id, host, pid, program_version, status, lease_seconds, node_id,
      attached_time, status_revision, revision) VALUES (?, ?, ?, ?, ?, 'attached', ?, ?, ?, ?, ?)
      ON CONFLICT (worker_id) DO UPDATE SET session_id = excluded.session_id, host = excluded.host, pid = excluded.pid,
      program_version = excluded.program_version, status = excluded.status, lease_seconds = excluded.lease_seconds,
      node_id = excluded.node_id, attached_time = excluded.attached_time, lost_time = NULL, returned_time = NULL,
      detached_time = NULL, reason = NULL, status_revision = excluded.status_revision, revision = excluded.revision
      WHERE revision < excluded.revision`);
    this.keep = db.prepare(
      `UPDATE ${table} SET node_id = ?, revision = ? WHERE worker_id = ? AND revision < ?`,
    );
    this.move =
      db.prepare(`UPDATE ${table} SET status = ?, node_id = coalesce(?, node_id), lost_time = coalesce(?, lost_time),
      returned_time = coalesce(?, returned_time), detached_time = coalesce(?, detached_time), reason = coalesce(?, reason),
      status_revision = ?, revision = ? WHERE worker_id = ? AND revision < ?`);
    this.end = db.prepare(
      `UPDATE ${table} SET status = 'detached', detached_time = ?, reason = ? WHERE worker_id = ? AND status <> 'detached'`,
    );
  }

  /** It can't keep a lease any more. */
  cutOff({ stream, metadata, damage }: RecordedEvent): void {
    const workerId = stream.slice(stream.indexOf('-') + 1);
    this.end.run(metadata.time / 1000, damage ?? null, workerId);
  }

  apply(events: readonly RecordedEvent[]): void {
    for (const event of events) this.applyOne(event);
  }

  private applyOne({ data, revision, type }: RecordedEvent): void {
    const value = (name: string): SqlValue => {
      const given = data[name];
      return typeof given === 'string' || typeof given === 'number' ? given : null;
    };
    if (type === 'SupervisorAttached') {
      this.attach.run(...ATTACHED.map(value), revision, revision);
    } else if (type === 'SupervisorLeaseKept') {
      this.keep.run(value('node_id'), revision, value('worker_id'), revision);
    } else if (isMove(type)) {
      this.move.run(
        STATUS_AFTER[type],
        ...MOVED.map(value),
        revision,
        revision,
        value('worker_id'),
        revision,
      );
    } else throw new Error(`${type} is no event of a supervisor`);
  }
}

function isMove(type: string): type is keyof typeof STATUS_AFTER {
  return Object.hasOwn(STATUS_AFTER, type);
}

export const supervisors: Projection = {
  name: 'supervisors',
  version: 2,
  categories: ['supervisor'],
  table: 'supervisors',
  createTable,
  indexes: ['CREATE INDEX supervisors_by_status ON supervisors (status)'],
  writer: (db, table) => new SupervisorWriter(db, table),
};

/** All supervisors, in the order of their ids. */
export function selectSupervisors(db: Database) {
  return db.prepare('SELECT * FROM supervisors ORDER BY worker_id').all();
}

/** Revision of the event that last changed a supervisor's standing; undefined where there is none. */
export function selectStandingRevision(db: Database, workerId: string): number | undefined {
  const row = db.prepare('SELECT status_revision FROM supervisors WHERE worker_id = ?').get(workerId);
  return row === undefined ? undefined : Number(row['status_revision']);
}
