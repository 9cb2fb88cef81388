/**
 * The read model of a system's peers: one row per peer ever attached, with the state of its lease. A system makes its own, with
 * a name, its events, and columns for what else it stores of a peer that attaches. Points in time are Unix seconds.
 */

import type { LeaseEventNames } from '../../machines/peers/lease.js';
import type { Database, SqlRow, SqlValue, Statement } from '../../src/base/sql.js';
import { ORDER_ACCEPTED, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import type { Projection, ProjectionWriter } from '../../src/runtime/read-models/projection.js';

export interface PeersTable {
  /** Of projection and table. */
  readonly name: string;
  readonly version: number;
  readonly category: string;
  readonly events: LeaseEventNames;
  /** The field of the events, and the column, that holds the id of the peer. */
  readonly idField: string;
  /** Declarations of further columns, by the field of the event of attaching that fills them: `{ slots: 'INTEGER' }`. */
  readonly more?: Readonly<Record<string, string>>;
  /** Types of the events that its system has of a peer beside those of its lease. */
  readonly others?: readonly string[];
}

export function peersProjection(table: PeersTable): Projection {
  return {
    name: table.name,
    version: table.version,
    categories: [table.category],
    table: table.name,
    createTable: (name) => createTable(name, table),
    indexes: [`CREATE INDEX ${table.name}_by_status ON ${table.name} (status)`],
    writer: (db, name) => new PeerWriter(db, name, table),
  };
}

/** All peers, in the order of their ids. */
export function selectPeers(db: Database, { name, idField }: PeersTable): SqlRow[] {
  return db.prepare(`SELECT * FROM ${name} ORDER BY ${idField}`).all();
}

/** Revision of the event that last changed a peer's standing; undefined where there is none. */
export function selectStandingRevision(
  db: Database,
  { name, idField }: PeersTable,
  peerId: string,
): number | undefined {
  const row = db.prepare(`SELECT status_revision FROM ${name} WHERE ${idField} = ?`).get(peerId);
  return row === undefined ? undefined : Number(row['status_revision']);
}

function createTable(name: string, { idField, more = {} }: PeersTable): string {
  const further = Object.entries(more).map(([column, declaration]) => `    ${column} ${declaration},\n`);
  return `CREATE TABLE ${name} (
    ${idField} TEXT PRIMARY KEY,
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
${further.join('')}    status_revision INTEGER NOT NULL CHECK (status_revision >= 0),
    revision INTEGER NOT NULL CHECK (revision >= 0)
  ) STRICT, WITHOUT ROWID`;
}

/** Fields of the events, in the order of the statements' parameters. */
const ATTACHED = [
  ...['session_id', 'host', 'pid', 'program_version'],
  ...['lease_seconds', 'node_id', 'attached_time'],
];
const MOVED = ['node_id', 'lost_time', 'returned_time', 'detached_time', 'reason'];

class PeerWriter implements ProjectionWriter {
  private readonly attach: Statement;
  private readonly keep: Statement;
  private readonly move: Statement;
  private readonly end: Statement;
  private readonly attached: readonly string[];
  private readonly kept: string;
  private readonly attaches: string;
  private readonly statusAfter: ReadonlyMap<string, string>;
  private readonly others: ReadonlySet<string>;
  private readonly name: string;

  constructor(db: Database, name: string, table: PeersTable) {
    const { idField, events, more = {}, others = [] } = table;
    this.name = table.name;
    this.others = new Set([ORDER_ACCEPTED, ...others]);
    this.attached = [idField, ...ATTACHED, ...Object.keys(more)];
    this.attaches = events.attached;
    this.kept = events.kept;
    this.statusAfter = new Map([
      [events.lost, 'lost'],
      [events.returned, 'attached'],
      [events.detached, 'detached'],
    ]);
    const replaced = this.attached.slice(1).map((column) => `${column} = excluded.${column}`);
    this.attach =
      db.prepare(`INSERT INTO ${name} (${this.attached.join(', ')}, status, status_revision, revision)
      VALUES (${this.attached.map(() => '?').join(', ')}, 'attached', ?, ?)
      ON CONFLICT (${idField}) DO UPDATE SET ${replaced.join(', ')}, status = excluded.status, lost_time = NULL,
      returned_time = NULL, detached_time = NULL, reason = NULL, status_revision = excluded.status_revision,
      revision = excluded.revision WHERE revision < excluded.revision`);
    this.keep = db.prepare(
      `UPDATE ${name} SET node_id = coalesce(?, node_id), revision = ? WHERE ${idField} = ? AND revision < ?`,
    );
    this.move =
      db.prepare(`UPDATE ${name} SET status = ?, node_id = coalesce(?, node_id), lost_time = coalesce(?, lost_time),
      returned_time = coalesce(?, returned_time), detached_time = coalesce(?, detached_time), reason = coalesce(?, reason),
      status_revision = ?, revision = ? WHERE ${idField} = ? AND revision < ?`);
    this.end = db.prepare(
      `UPDATE ${name} SET status = 'detached', detached_time = ?, reason = ? WHERE ${idField} = ? AND status <> 'detached'`,
    );
  }

  /** It can't keep a lease any more. */
  cutOff({ stream, metadata, damage }: RecordedEvent): void {
    this.end.run(metadata.time / 1000, damage ?? null, peerOf(stream));
  }

  apply(events: readonly RecordedEvent[]): void {
    for (const event of events) this.applyOne(event);
  }

  private applyOne({ stream, data, revision, type }: RecordedEvent): void {
    const value = (name: string): SqlValue => {
      const given = data[name];
      return typeof given === 'string' || typeof given === 'number' ? given : null;
    };
    const peer = peerOf(stream);
    const status = this.statusAfter.get(type);
    if (type === this.attaches) this.attach.run(...this.attached.map(value), revision, revision);
    else if (type === this.kept) this.keep.run(value('node_id'), revision, peer, revision);
    else if (status !== undefined)
      this.move.run(status, ...MOVED.map(value), revision, revision, peer, revision);
    else if (this.others.has(type)) this.keep.run(null, revision, peer, revision);
    else throw new Error(`${type} is no event of ${this.name}`);
  }
}

function peerOf(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}
