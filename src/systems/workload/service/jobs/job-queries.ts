/** What is asked of the rows of jobs and pilots: what waits, what is under way, who could take it. Times are Unix seconds. */

import {
  type Database,
  KeptStatements,
  numberIn,
  type SqlRow,
  type Statement,
  textIn,
} from '../../../../base/sql.js';
import type { Tellable } from '../left-out.js';

export const UNDER_WAY = `('staging', 'running', 'cancelling')`;

/** A pilot that is given work. */
export interface PilotOffer {
  readonly pilot: string;
  readonly sessionId: string;
  readonly nodeId: string | null;
  readonly deviceType: string;
  readonly slots: number;
  /** Undefined: what a job asks for is not looked at. */
  readonly memoryMib: number | undefined;
  readonly executables: ReadonlySet<string>;
}

export interface Offer extends PilotOffer {
  /** Of its jobs under way. */
  readonly slotsUsed: number;
  readonly memoryUsedMib: number;
}

export interface WaitingJob {
  readonly uid: string;
  readonly jobId: number;
  readonly revision: number;
  readonly executable: string;
  readonly curRetry: number;
  readonly memoryMib: number;
  readonly losses: number;
  /** That had it last. */
  readonly pilot: string | null;
}

/** Jobs of tasks that go on. */
const GOES_ON = `(t.task_id IS NULL OR (t.held = 0 AND t.state IN ('registered', 'splitting', 'running')))`;
const WAITING = `j.id, j.job_id, j.revision, j.executable, j.cur_retry, j.memory_mib, j.losses, j.pilot`;
/** Some pilot of those that `?1` is about could take it. */
const TAKEN = `j.executable IN (SELECT key FROM json_each(?1)) AND (j.memory_mib IS NULL
  OR j.memory_mib <= (SELECT o.value FROM json_each(?1) o WHERE o.key = j.executable))`;
/** Before the next attempt nobody waits longer; what is further ahead was written before the clock was set back. */
const LONGEST_WAIT_SECONDS = 301;

/** The most memory that is offered for each executable: what no pilot could ever take is no candidate. */
export type Offered = Readonly<Record<string, number>>;

export class JobQueries {
  private readonly statements: KeptStatements;
  private readonly executables = new Map<
    string,
    { readonly text: string; readonly set: ReadonlySet<string> }
  >();

  constructor(db: Database) {
    this.statements = new KeptStatements(db);
  }

  /** Pilots that may be given work, on any node. */
  pilotsThatServe(): PilotOffer[] {
    return this.of(`SELECT * FROM pilot_dat WHERE status = 'active' ORDER BY pilot_id`)
      .all()
      .map((row) => this.offerIn(row));
  }

  /** What pilots have. */
  underWay(): { readonly uid: string; readonly pilot: string; readonly memoryMib: number }[] {
    return this.of(`SELECT id, pilot, memory_mib FROM job_dat WHERE state IN ${UNDER_WAY}`)
      .all()
      .map((row) => ({
        uid: textIn(row, 'id'),
        pilot: String(row['pilot']),
        memoryMib: Number(row['memory_mib'] ?? 0),
      }));
  }

  /** What a job asks for. */
  memoryOf(uid: string): number {
    return Number(this.of('SELECT memory_mib FROM job_dat WHERE id = ?').get(uid)?.['memory_mib'] ?? 0);
  }

  /** To be queued, in order. @param now Unix seconds */
  candidates(device: string, offered: Offered, now: number, most: number): WaitingJob[] {
    return this.of(
      `SELECT ${WAITING} FROM job_dat j
       LEFT JOIN task_dat t ON t.task_id = j.task_id
       WHERE j.device_type = ?2 AND j.state = 'created' AND (j.not_before <= ?3 OR j.not_before > ?4) AND ${GOES_ON} AND ${TAKEN}
       ORDER BY j.rank DESC, j.job_id LIMIT ?5`,
    )
      .all(JSON.stringify(offered), device, now, now + LONGEST_WAIT_SECONDS, most)
      .map(waitingJobIn);
  }

  /** Whose hints may be given, in order. */
  queued(device: string, offered: Offered, most: number): WaitingJob[] {
    return this.of(
      `SELECT ${WAITING} FROM job_dat j
       LEFT JOIN task_dat t ON t.task_id = j.task_id
       WHERE j.device_type = ?2 AND j.state = 'queued' AND ${GOES_ON} AND ${TAKEN}
       ORDER BY j.rank DESC, j.job_id LIMIT ?3`,
    )
      .all(JSON.stringify(offered), device, most)
      .map(waitingJobIn);
  }

  /** Nothing is granted: the executor is switched off, and strictly. */
  isStrictlyOff(): boolean {
    const row = this.of(
      `SELECT 1 FROM wl_switches WHERE name = 'executor' AND enabled = 0 AND strict = 1`,
    ).get();
    return row !== undefined;
  }

  /** All that are queued, of either device. */
  allQueued(): Tellable[] {
    return this.of(`SELECT id, revision FROM job_dat WHERE state = 'queued'`).all().map(tellableIn);
  }

  /** How many are queued, by executable. */
  depths(device: string): Map<string, number> {
    const rows = this.of(
      `SELECT j.executable AS executable, count(*) AS jobs FROM job_dat j LEFT JOIN task_dat t ON t.task_id = j.task_id
       WHERE j.device_type = ? AND j.state = 'queued' AND ${GOES_ON} GROUP BY j.executable`,
    ).all(device);
    return new Map(rows.map((row) => [textIn(row, 'executable'), numberIn(row, 'jobs')]));
  }

  /** All that are queued for a device, whoever could take them. */
  queuedOf(device: string): number {
    const row = this.of(
      `SELECT count(*) AS jobs FROM job_dat WHERE device_type = ? AND state = 'queued'`,
    ).get(device);
    return Number(row?.['jobs'] ?? 0);
  }

  /** Queued whose hint was sent so long ago, or before the clock was set back. */
  hintedBefore(
    device: string,
    offered: Offered,
    times: { now: number; seconds: number },
    most: number,
  ): WaitingJob[] {
    const { now, seconds } = times;
    return this.of(
      `SELECT ${WAITING} FROM job_dat j
       LEFT JOIN task_dat t ON t.task_id = j.task_id
       WHERE j.device_type = ?2 AND j.state = 'queued' AND (j.hinted_time <= ?3 OR j.hinted_time > ?5) AND ${GOES_ON} AND ${TAKEN}
       ORDER BY j.rank DESC, j.job_id LIMIT ?4`,
    )
      .all(JSON.stringify(offered), device, now - seconds, most, now + seconds)
      .map(waitingJobIn);
  }

  /** When the next hint was sent, of those behind that time; undefined where there is none. */
  nextHinted(device: string, after: number): number | undefined {
    const row = this.of(
      `SELECT min(hinted_time) AS time FROM job_dat
       WHERE device_type = ? AND state = 'queued' AND hinted_time > ?`,
    ).get(device, after);
    return typeof row?.['time'] === 'number' ? row['time'] : undefined;
  }

  /** When the next job may be queued that has to wait. */
  nextDue(device: string, now: number): number | undefined {
    const row = this.of(
      `SELECT min(not_before) AS time FROM job_dat
       WHERE device_type = ? AND state = 'created' AND not_before > 0 AND not_before > ? AND not_before <= ?`,
    ).get(device, now, now + LONGEST_WAIT_SECONDS);
    return typeof row?.['time'] === 'number' ? row['time'] : undefined;
  }

  /** Jobs that the store says a pilot has. */
  underWayOf(pilot: string): SqlRow[] {
    return this.of(
      `SELECT id, state, claim_id, session_id, fail_at, claimed_time FROM job_dat
       WHERE pilot = ? AND state IN ${UNDER_WAY} ORDER BY job_id`,
    ).all(pilot);
  }

  /** Under way, and whether their pilots still have them is not known. */
  marked(): SqlRow[] {
    return this.of(
      `SELECT id, claim_id FROM job_dat WHERE state IN ${UNDER_WAY} AND fail_at IS NOT NULL`,
    ).all();
  }

  /** Revision of the event that last changed the lease of a pilot. */
  standingRevision(pilot: string): number | undefined {
    const row = this.pilot(pilot);
    return row === undefined ? undefined : Number(row['standing_revision']);
  }

  /** Of jobs that were created, those that no pilot offers that has ever attached and is not retired. */
  unknownExecutables(): { readonly device: string; readonly executable: string }[] {
    return this.of(
      `SELECT device_type, executable
       FROM (SELECT DISTINCT device_type, executable FROM job_dat WHERE state = 'created') j WHERE NOT EXISTS (
         SELECT 1 FROM pilot_dat p, json_each(p.executables) e
         WHERE p.device_type = j.device_type AND p.status <> 'retired' AND e.value = j.executable)`,
    )
      .all()
      .map((row) => ({ device: textIn(row, 'device_type'), executable: textIn(row, 'executable') }));
  }

  /** Created ones that nothing has happened to for so long, or since before the clock was set back. */
  createdOf(
    device: string,
    executable: string,
    { now, seconds }: { readonly now: number; readonly seconds: number },
    most: number,
  ): Tellable[] {
    return this.of(
      `SELECT id, revision FROM job_dat
       WHERE device_type = ? AND state = 'created' AND executable = ? AND (update_time <= ? OR update_time > ?)
       ORDER BY job_id LIMIT ?`,
    )
      .all(device, executable, now - seconds, now + seconds, most)
      .map(tellableIn);
  }

  pilotCounts(): SqlRow[] {
    return this.of('SELECT status, count(*) AS counted FROM pilot_dat GROUP BY status').all();
  }

  /** All that have ever attached. */
  pilotsOf(device: string): SqlRow[] {
    return this.of(
      'SELECT name, status, executables FROM pilot_dat WHERE device_type = ? ORDER BY pilot_id',
    ).all(device);
  }

  /** How many that wait come before this one: queued ones, and those of a higher rank or an earlier number. */
  before(row: SqlRow): number {
    const place = [textIn(row, 'device_type'), numberIn(row, 'rank'), numberIn(row, 'job_id')] as const;
    const ahead = (state: string) =>
      `(SELECT count(*) FROM job_dat WHERE device_type = ?1 AND state = '${state}'
        AND (rank > ?2 OR (rank = ?2 AND job_id < ?3)))`;
    const queued =
      row['state'] === 'queued'
        ? ahead('queued')
        : `(SELECT count(*) FROM job_dat WHERE device_type = ?1 AND state = 'queued') + ${ahead('created')}`;
    return Number(this.of(`SELECT ${queued} AS jobs`).get(...place)?.['jobs'] ?? 0);
  }

  pilot(name: string): SqlRow | undefined {
    return this.of('SELECT * FROM pilot_dat WHERE name = ?').get(name);
  }

  /** Who holds the lease of a pilot. It comes for every job, and the whole row takes ten times as long. */
  leaseOf(pilot: string): SqlRow | undefined {
    return this.of('SELECT lease, session_id FROM pilot_dat WHERE name = ?').get(pilot);
  }

  /** How long a job was queued before it was granted. The same goes for it. */
  grantOf(uid: string): SqlRow | undefined {
    return this.of('SELECT device_type, queued_time, claimed_time FROM job_dat WHERE id = ?').get(uid);
  }

  row(uid: string): SqlRow | undefined {
    return this.of('SELECT * FROM job_dat WHERE id = ?').get(uid);
  }

  of(sql: string): Statement {
    return this.statements.of(sql);
  }

  private offerIn(row: SqlRow): PilotOffer {
    const pilot = textIn(row, 'name');
    const memory = row['memory_mib'];
    return {
      pilot,
      sessionId: textIn(row, 'session_id'),
      nodeId: typeof row['node_id'] === 'string' ? row['node_id'] : null,
      deviceType: textIn(row, 'device_type'),
      slots: numberIn(row, 'slots'),
      memoryMib: typeof memory === 'number' && memory > 0 ? memory : undefined,
      executables: this.executablesIn(pilot, textIn(row, 'executables')),
    };
  }

  private executablesIn(pilot: string, text: string): ReadonlySet<string> {
    const known = this.executables.get(pilot);
    if (known?.text === text) return known.set;
    const set = executablesOf(text);
    this.executables.set(pilot, { text, set });
    return set;
  }
}

/** @param text JSON, as the row has it */
export function executablesOf(text: string): ReadonlySet<string> {
  const given: unknown = JSON.parse(text);
  return new Set(Array.isArray(given) ? given.map(String) : []);
}

function tellableIn(row: SqlRow): Tellable {
  return { uid: textIn(row, 'id'), revision: numberIn(row, 'revision') };
}

function waitingJobIn(row: SqlRow): WaitingJob {
  return {
    uid: textIn(row, 'id'),
    jobId: numberIn(row, 'job_id'),
    revision: numberIn(row, 'revision'),
    executable: textIn(row, 'executable'),
    curRetry: Number(row['cur_retry'] ?? 0),
    memoryMib: Number(row['memory_mib'] ?? 0),
    losses: Number(row['losses'] ?? 0),
    pilot: typeof row['pilot'] === 'string' ? row['pilot'] : null,
  };
}
