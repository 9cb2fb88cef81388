/**
 * Group commit: appends that arrive while the group before is on its way to the disk are written in one transaction.
 *
 * Guarantees: they are written in the order they came, each with its own result or its own conflict, and each sees what
 * those before it wrote; nothing is told to anyone before everything that the answer rests on is flushed to the disk, also a
 * conflict with, or a repetition of, what another process has committed; when it fails, all of its group are told so. After a
 * flush that failed nothing more is written. While another process has the write lock, a group is tried again and again and
 * the event loop goes on; once that has lasted longer than a caller's patience, groups are refused after one attempt, so that
 * callers don't queue behind each other's patience.
 *
 * Measured on two shared cores: an append takes 12 µs, committing and flushing a group 0.1 to 0.5 ms, most of which is
 * waiting for the disk; the event loop goes on meanwhile, and what it brings in is the next group.
 */

import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { OwlError, StoreUnavailableError } from '../../../base/errors.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import { isLocked } from '../../../base/sqlite-failures.js';
import type { EncodedEvent } from '../append-check.js';
import type { AppendResult, ExpectedRevision, StreamName } from '../event-store.js';
import type { FlushedUpTo } from './flushed-up-to.js';
import type { SqliteEventLog } from './sqlite-event-log.js';
import type { WriteRefusals } from './write-refusals.js';

/** So few appends are not worth a commit of their own while others wait. */
const SMALLEST_SHARE = 8;
/** Callers that are gone are forgotten within some twenty groups. */
const CALLERS_DECAY = 0.9;
/** While another process has the write lock, it is asked for so often. */
const LOCK_FIRST_PAUSE_MS = 1;
const LOCK_LONGEST_PAUSE_MS = 50;

/** Counted since the store was opened. */
export interface GroupCommitStats {
  /** Transactions that stored events; `events / groups` is how many shared one flush. */
  readonly groups: number;
  readonly events: number;
  /** Appends whose events were already there. */
  readonly duplicates: number;
  readonly conflicts: number;
}

/** An append that is now durable. Its events stand at the positions after `after`. */
export interface StoredAppend {
  readonly after: number;
  readonly encoded: readonly EncodedEvent[];
  readonly result: AppendResult;
}

export interface GroupCommitOptions {
  readonly db: SqliteDatabase;
  readonly log: SqliteEventLog;
  readonly flushed: FlushedUpTo;
  readonly refusals: WriteRefusals;
  /** How long a group waits for another process's write lock. */
  readonly lockPatienceMs: number;
  /** A group takes no further append when it would hold more events than this. A single append may be larger. */
  readonly eventsPerGroup: number;
  /**
   * Called after each flush and before its appends are answered, with the newest position in the store.
   * @param flushMs how long the flush took. Milliseconds
   */
  committed(stored: readonly StoredAppend[], newest: number, flushMs: number): void;
}

interface Waiting {
  readonly stream: StreamName;
  readonly expected: ExpectedRevision;
  readonly encoded: readonly EncodedEvent[];
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** What became of one append of a group; it is told only after the commit. */
type Outcome =
  | { readonly result: AppendResult; readonly after: number }
  | { readonly conflict: OwlError; readonly result?: never };

interface Written {
  readonly outcomes: readonly Outcome[];
  /** The position of the last event. */
  readonly newest: number;
}

export class GroupCommit {
  private readonly options: GroupCommitOptions;
  private readonly counts = { groups: 0, events: 0, duplicates: 0, conflicts: 0 };
  private waiting: Waiting[] = [];
  /** A group is to be committed in this turn, or is on its way to the disk. */
  private scheduled = false;
  private underWay: Promise<void> = Promise.resolve();
  /** How many appends the newest group held, and how many callers there seem to be: those waiting and those just answered. */
  private lastGroup = 0;
  private callers = 0;

  constructor(options: GroupCommitOptions) {
    this.options = options;
  }

  get stats(): GroupCommitStats {
    return { ...this.counts };
  }

  append(
    stream: StreamName,
    expected: ExpectedRevision,
    encoded: readonly EncodedEvent[],
  ): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ stream, expected, encoded, resolve, reject });
      this.schedule();
    });
  }

  /** Resolves once no append is waiting to be written. */
  async drained(): Promise<void> {
    while (this.scheduled || this.waiting.length > 0) {
      await this.underWay;
      await nextTurn();
    }
    await this.underWay;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.underWay = this.commit(this.takeGroup()).finally(() => {
        this.scheduled = false;
        if (this.waiting.length > 0) this.schedule();
      });
    });
  }

  /**
   * A third of the callers at a time. Who has its answer sends the next append, so with one group for all of them the
   * callers, this process and the disk would take turns; with thirds each has its own to work on. Measured with 64 callers
   * over gRPC: 27 % more calls than with one group for all, and no fewer with 1024 on a stream.
   */
  private takeGroup(): readonly Waiting[] {
    this.callers = Math.max(this.callers * CALLERS_DECAY, this.waiting.length + this.lastGroup);
    const share = Math.max(SMALLEST_SHARE, Math.ceil(this.callers / 3));
    let events = 0;
    let appends = 0;
    for (const { encoded } of this.waiting) {
      events += encoded.length;
      if (appends === share || (appends > 0 && events > this.options.eventsPerGroup)) break;
      appends++;
    }
    this.lastGroup = appends;
    return this.waiting.splice(0, appends);
  }

  private async commit(group: readonly Waiting[]): Promise<void> {
    let written: Written;
    try {
      written = await this.writeOnceFree(group);
    } catch (error) {
      return this.fail(group, error);
    }
    const began = performance.now();
    try {
      await this.options.flushed.reach(written.newest);
    } catch (error) {
      return this.refuse(group, error);
    }
    const { outcomes, newest } = written;
    this.options.committed(this.count(group, outcomes), newest, performance.now() - began);
    group.forEach(({ resolve, reject }, i) => {
      const outcome = outcomes[i];
      if (outcome?.result === undefined) reject(outcome?.conflict);
      else resolve(outcome.result);
    });
  }

  private async writeOnceFree(group: readonly Waiting[]): Promise<Written> {
    const { log, refusals, lockPatienceMs } = this.options;
    const since = performance.now();
    for (let delayMs = LOCK_FIRST_PAUSE_MS; ; delayMs = Math.min(2 * delayMs, LOCK_LONGEST_PAUSE_MS)) {
      try {
        return log.transaction(() => this.writeAll(group));
      } catch (error) {
        const isLate = performance.now() - since >= lockPatienceMs;
        if (!isLocked(error) || isLate || refusals.areLasting) throw error;
      }
      await pause(delayMs);
    }
  }

  private writeAll(group: readonly Waiting[]): Written {
    let newest = this.options.log.head();
    const outcomes = group.map((append) => {
      const outcome = this.write(append, newest);
      if (outcome.result?.duplicate === false) newest += append.encoded.length;
      return outcome;
    });
    return { outcomes, newest };
  }

  private write({ stream, expected, encoded }: Waiting, after: number): Outcome {
    try {
      return { result: this.options.log.append(stream, expected, encoded, after), after };
    } catch (error) {
      if (error instanceof OwlError && error.kind === 'conflict') return { conflict: error };
      throw error;
    }
  }

  /** Counts what a group came to and answers the appends that stored something. */
  private count(group: readonly Waiting[], outcomes: readonly Outcome[]): readonly StoredAppend[] {
    const stored: StoredAppend[] = [];
    group.forEach(({ encoded }, i) => {
      const outcome = outcomes[i];
      if (outcome?.result === undefined) this.counts.conflicts++;
      else if (outcome.result.duplicate) this.counts.duplicates++;
      else {
        this.counts.events += encoded.length;
        stored.push({ after: outcome.after, encoded, result: outcome.result });
      }
    });
    if (stored.length > 0) {
      this.counts.groups++;
      this.options.refusals.succeeded();
    }
    return stored;
  }

  private fail(group: readonly Waiting[], error: unknown): void {
    const failure =
      error instanceof StoreUnavailableError
        ? error
        : new StoreUnavailableError(
            `${this.options.db.path} could not store what was appended; nothing of it was kept`,
            'refused',
            { cause: error },
          );
    this.options.refusals.refused(failure);
    this.refuse(group, failure);
  }

  private refuse(group: readonly Waiting[], error: unknown): void {
    for (const { reject } of group) reject(error);
  }
}
