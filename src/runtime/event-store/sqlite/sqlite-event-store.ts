/**
 * The embedded event store: the port of event-store.ts on one SQLite file, with group commit and live subscriptions.
 *
 * Guarantees beyond the port:
 * - killed at any moment, the file holds each append as a whole or not at all;
 * - everything it tells (events, positions, conflicts, repetitions) is flushed to the disk before, whoever wrote it
 *   (flushed-up-to.ts); once the file is broken (database-file.ts) it tells nothing, and subscriptions end with the reason;
 * - several instances, in several processes, may share a file. The database decides every conflict; what another instance
 *   wrote is noticed at this one's next append, `head` or new subscription, and then given to all subscribers.
 *
 * The events it hands out are one and the same objects for the writer and all live subscribers: nobody may change them.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, systemClock } from '../../../base/clock.js';
import { DamagedStreamError, StoreUnavailableError } from '../../../base/errors.js';
import { type OpenDatabaseOptions, openDatabase, type SqliteDatabase } from '../../../base/sqlite.js';
import type { LifeCycle } from '../../life-cycle/life-cycle.js';
import { checkAppend, encodeEvent } from '../append-check.js';
import {
  type AppendOptions,
  type AppendResult,
  type EventPlace,
  type EventStore,
  type ExpectedRevision,
  type Position,
  type ProposedEvent,
  type ReadAllOptions,
  type ReadStreamOptions,
  type RecordedEvent,
  START,
  type StreamName,
  type SubscribeOptions,
  type SubscriptionBatch,
} from '../event-store.js';
import { checkCount } from '../read-check.js';
import { FlushedUpTo } from './flushed-up-to.js';
import { GroupCommit, type GroupCommitStats, type StoredAppend } from './group-commit.js';
import { formatPosition, parsePosition, shareOf } from './positions.js';
import { RecentEvents } from './recent-events.js';
import { SqliteEventLog } from './sqlite-event-log.js';
import { SqliteMarks } from './sqlite-marks.js';
import { type Availability, WriteRefusals } from './write-refusals.js';

export interface SqliteEventStoreOptions {
  /** The most events that appends share a transaction with; one larger append has its own. Default 1024. */
  readonly eventsPerGroup?: number;
  /** The newest events kept in memory for live subscribers. Default 4096, and at most 32 Mi characters of JSON. */
  readonly recentEvents?: number;
  /** How long an append waits for another process's write lock. Milliseconds, default 5000. */
  readonly lockPatienceMs?: number;
  /** False when the file must hold events' tables already: then one without them is refused. Default true. */
  readonly mayBeNew?: boolean;
  /** Hears when appends are refused lastingly, and when they are taken again. */
  readonly onAvailability?: (availability: Availability) => void;
  /** When it is tried whether appends are taken again. Default: the system's. */
  readonly clock?: Clock;
  /** Hears of flushes. */
  readonly lifeCycle?: LifeCycle;
}

const EVENTS_PER_GROUP = 1_024;
const RECENT_EVENTS = 4_096;
const RECENT_SIZE = 32 * 1024 * 1024;
const READ_BATCH = 512;
const LOCK_PATIENCE_MS = 5_000;

/**
 * Blocks until what others have left in the file is flushed.
 * @throws StoreUnavailableError as openDatabase, or when that can't be flushed; OwlError kind `invalid` for a file of a newer owl,
 *   `refused` for one without tables that may not be new
 */
export function openSqliteEventStore(
  path: string,
  options: SqliteEventStoreOptions & OpenDatabaseOptions = {},
): SqliteEventStore {
  const db = openDatabase(path, options);
  try {
    return new SqliteEventStore(db, options);
  } catch (error) {
    db.close();
    throw error;
  }
}

export class SqliteEventStore implements EventStore {
  readonly marks: SqliteMarks;
  /** Rows of `streams` stay, whatever becomes of the events. */
  readonly knowsAllStreams = true;
  private readonly db: SqliteDatabase;
  private readonly log: SqliteEventLog;
  private readonly flushed: FlushedUpTo;
  private readonly refusals: WriteRefusals;
  private readonly groups: GroupCommit;
  private readonly lifeCycle: LifeCycle | undefined;
  private readonly recent: RecentEvents;
  /** The newest position this instance knows of and has flushed; another instance may have written more. */
  private newest: number;
  /** Wakes the subscribers that have nothing to give. */
  private readonly sleepers = new Set<() => void>();
  private closing = false;
  private readonly stopListening: () => void;

  /** @param db the store closes it */
  constructor(db: SqliteDatabase, options: SqliteEventStoreOptions = {}) {
    this.db = db;
    this.log = new SqliteEventLog(db, options.mayBeNew ?? true);
    this.flushed = new FlushedUpTo(db, this.log);
    db.waitNoMore();
    this.refusals = new WriteRefusals({
      db,
      clock: options.clock ?? systemClock,
      tell: options.onAvailability ?? (() => undefined),
    });
    this.groups = new GroupCommit({
      db,
      log: this.log,
      flushed: this.flushed,
      refusals: this.refusals,
      lockPatienceMs: options.lockPatienceMs ?? LOCK_PATIENCE_MS,
      eventsPerGroup: options.eventsPerGroup ?? EVENTS_PER_GROUP,
      committed: (stored, newest, flushMs) => this.publish(stored, newest, flushMs),
    });
    this.lifeCycle = options.lifeCycle;
    this.recent = new RecentEvents({ events: options.recentEvents ?? RECENT_EVENTS, size: RECENT_SIZE });
    this.newest = this.flushed.position;
    this.marks = new SqliteMarks(db, () => this.checkOpen());
    this.stopListening = db.file.onBroken(() => this.wakeAll());
  }

  get stats(): GroupCommitStats {
    return this.groups.stats;
  }

  async append(
    stream: StreamName,
    expected: ExpectedRevision,
    events: readonly ProposedEvent[],
    _options?: AppendOptions,
  ): Promise<AppendResult> {
    this.checkOpen();
    checkAppend(stream, expected, events);
    const encoded = events.map((event) => encodeEvent(stream, event));
    return this.groups.append(stream, expected, encoded);
  }

  async *readStream(stream: StreamName, options: ReadStreamOptions = {}): AsyncGenerator<RecordedEvent> {
    const { direction = 'forwards', from } = options;
    if (from !== undefined) checkCount('from', from, 0);
    let left = checkCount('limit', options.limit ?? Number.MAX_SAFE_INTEGER, 0);
    this.checkOpen();
    const end = await this.flushed.catchUp();
    this.checkOpen();
    // Where the stream ends is settled at the start, so that a reader never chases a writer.
    const found = this.log.streamAt(stream, end);
    if (found === undefined) return;
    let highest = found.revision;
    let lowest = 0;
    if (from !== undefined && direction === 'forwards') lowest = from;
    if (from !== undefined && direction === 'backwards') highest = Math.min(highest, from);
    while (left > 0 && lowest <= highest) {
      this.checkOpen();
      const events = this.log.readStream(found.no, lowest, highest, direction, Math.min(left, READ_BATCH));
      const last = events.at(-1);
      if (last === undefined) throw this.holeBetween(stream, lowest, highest);
      for (const event of events) yield event;
      left -= events.length;
      if (direction === 'forwards') lowest = last.revision + 1;
      else highest = last.revision - 1;
      if (left > 0 && lowest <= highest) await nextTurn();
    }
  }

  async *readAll(options: ReadAllOptions = {}): AsyncGenerator<RecordedEvent> {
    let after = parsePosition(options.after ?? START);
    let left = checkCount('limit', options.limit ?? Number.MAX_SAFE_INTEGER, 0);
    this.checkOpen();
    const end = await this.flushed.catchUp();
    while (left > 0 && after < end) {
      this.checkOpen();
      const { events, upTo } = this.log.readAll(after, end, options.categories, Math.min(left, READ_BATCH));
      for (const event of events) yield event;
      left -= events.length;
      after = upTo;
      if (left > 0 && after < end) await nextTurn();
    }
  }

  /**
   * Every pull asks for what comes after its own position, from memory or from the database: catching up hands nothing
   * over to live, and so there is no seam. A subscription that starts at the end says so with a first, empty batch.
   */
  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<SubscriptionBatch> {
    const { signal, categories } = options;
    const limit = checkCount('batchSize', options.batchSize ?? READ_BATCH, 1);
    const matches = filterOf(categories);
    let after = parsePosition(options.after ?? START);
    let caughtUp = false;
    if (!this.closing) this.noteNewest(await this.flushed.catchUp());
    while (!this.closing && signal?.aborted !== true) {
      this.db.file.assertWhole();
      if (after >= this.newest) {
        if (caughtUp) await this.sleep(signal);
        else yield { events: [], checkpoint: formatPosition(after), caughtUp: true };
        caughtUp = true;
        continue;
      }
      const live = this.recent.covers(after);
      const { events, upTo } = live
        ? this.recent.after(after, limit, matches)
        : this.log.readAll(after, this.newest, categories, limit);
      after = upTo;
      caughtUp = after >= this.newest;
      yield { events, checkpoint: formatPosition(after), caughtUp };
      if (!live) await nextTurn();
    }
  }

  async holds(event: EventPlace): Promise<boolean> {
    this.checkOpen();
    const end = await this.flushed.catchUp();
    this.checkOpen();
    return this.log.holds(event, end);
  }

  async head(): Promise<Position> {
    this.checkOpen();
    this.noteNewest(await this.flushed.catchUp());
    return formatPosition(this.newest);
  }

  shareOf(position: Position, end: Position): number | undefined {
    return shareOf(position, end);
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.groups.drained();
    this.refusals.stop();
    this.stopListening();
    this.wakeAll();
    this.db.close();
  }

  /** Makes what was flushed visible to live subscribers and wakes them, once for the whole group. */
  private publish(stored: readonly StoredAppend[], newest: number, tookMs: number): void {
    for (const { after, encoded, result } of stored) {
      result.events.forEach((event, i) => {
        this.recent.add(after + 1 + i, event, encoded[i]?.size ?? 0);
      });
    }
    this.noteNewest(newest);
    if (this.lifeCycle?.wants('store flushed') && stored.length > 0) {
      const events = stored.reduce((sum, { encoded }) => sum + encoded.length, 0);
      this.lifeCycle.tell({ type: 'store flushed', appends: stored.length, events, tookMs });
    }
  }

  private noteNewest(newest: number): void {
    if (newest <= this.newest) return;
    this.newest = newest;
    this.wakeAll();
  }

  private wakeAll(): void {
    for (const wake of [...this.sleepers]) wake();
  }

  /** Resolves when there are new events, when the store closes or when the signal aborts. */
  private sleep(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.sleepers.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.sleepers.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }

  private holeBetween(stream: StreamName, lowest: number, highest: number): DamagedStreamError {
    return new DamagedStreamError(
      stream,
      lowest,
      `${this.db.path} lacks revisions ${lowest} to ${highest} of stream ${stream}; restore the file from a backup`,
    );
  }

  private checkOpen(): void {
    if (this.closing) {
      throw new StoreUnavailableError(`the event store ${this.db.path} is closed; open it again`, 'refused');
    }
  }
}

function filterOf(categories: readonly string[] | undefined): (event: RecordedEvent) => boolean {
  if (categories === undefined) return () => true;
  const prefixes = categories.map((category) => `${category}-`);
  return ({ stream }) => prefixes.some((prefix) => stream.startsWith(prefix));
}
