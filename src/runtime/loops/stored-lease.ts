/**
 * A lease of a loop in the store that several nodes share.
 *
 * Guarantees: of nodes that judge and hold by these rules no two may act at once. Who holds it counts boot time from the
 * *sending* of the newest record that the store took, and may act for `ACTS_FOR` of its length; who judges counts the time in
 * which it could hear of another record, for a whole length, and reads the store once more before it takes it. While the store
 * could not be read here its holder could not write either: it has its whole time again. What was taken anew has a new session,
 * so nothing of an older one counts. A holder that can't record any more stops by itself, and goes on where it was when the store
 * is back and nobody has followed it.
 */

import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { Backoff, orAborted, settlesWithin, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import type { ListeningTime } from '../../base/listening-time.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import type { LeaseNews } from './lease-news.js';
import type { LeaseRecord, LeaseRecords } from './lease-records.js';
import type { LoopLease, LoopTurn } from './loop-lease.js';

/** In lengths of the lease. What it is less than 1 is the time that an effect under way has to end. */
const ACTS_FOR = 0.8;
const RECORDED_AFTER = 1 / 3;
const RETRIED_AFTER = 0.1;
/** Timers stand still while the machine sleeps, so the clock is looked at this often at the least. */
const LOOKS_AFTER_MS = 500;
/** A store that is away keeps no node from ending. */
const GIVEN_BACK_WITHIN_MS = 2_000;

export interface StoredLeaseOptions {
  readonly loop: string;
  readonly leaseSeconds: number;
  readonly nodeId: string;
  readonly records: LeaseRecords;
  readonly news: LeaseNews;
  readonly clock: Clock;
  readonly listening: ListeningTime;
  readonly logger: Logger;
  readonly lifeCycle: LifeCycle;
}

interface Held {
  readonly sessionId: string;
  /** Of the newest record. */
  revision: number;
  /** Nothing may be done from then on. Boot time in milliseconds. */
  untilMs: number;
  /** To be recorded again then. Running time in milliseconds. */
  dueMs: number;
  /** That nothing may be done any more was told; only a new record begins it again. */
  isOver: boolean;
  cancel: () => void;
}

export class StoredLease implements LoopLease {
  problem: string | undefined;
  private readonly options: StoredLeaseOptions;
  private readonly backoff = new Backoff({ longestMs: 2_000 });
  private held: Held | undefined;
  private keeping: Promise<void> = Promise.resolve();
  private doubtful = false;
  private lost: (reason: Error) => void = () => undefined;
  /** Of another node, as far as it was heard or read. */
  private seen: LeaseRecord | undefined;
  /** The record after which nothing was heard for the length of its lease. */
  private silentSince: string | undefined;
  private onNews: (record: LeaseRecord) => void = () => undefined;

  constructor(options: StoredLeaseOptions) {
    this.options = options;
    options.news.follow(options.records.stream, (record) => this.onNews(record));
  }

  get node(): string | undefined {
    if (this.held !== undefined && this.mayAct(this.held)) return this.options.nodeId;
    return this.seen?.held === true ? this.seen.nodeId : undefined;
  }

  async take(signal: AbortSignal, lost: (reason: Error) => void): Promise<LoopTurn | undefined> {
    this.lost = lost;
    while (!signal.aborted) {
      const { held } = this;
      if (held !== undefined && !this.doubtful && this.mayAct(held))
        return { mayAct: () => this.held === held && this.mayAct(held) };
      try {
        if (await this.tryToTake(signal)) this.backoff.reset();
        // What was read may be behind what another node has recorded.
        else await wait(this.options.clock, this.backoff.next(), signal);
      } catch (error) {
        this.problem = messageOf(error);
        this.silentSince = undefined;
        await wait(this.options.clock, this.backoff.next(), signal);
      }
    }
    return undefined;
  }

  doubt(): void {
    this.doubtful = true;
  }

  async giveBack(): Promise<void> {
    const { held } = this;
    const { records, clock, logger, loop } = this.options;
    if (held === undefined) return;
    this.let(held);
    const given = this.keeping.then(() => records.append(held.revision, held.sessionId, false));
    const failed = (error: unknown) =>
      logger.warn({ err: error, loop }, 'the lease of a loop was not given back; it runs out');
    await settlesWithin(clock, GIVEN_BACK_WITHIN_MS, given.catch(failed));
  }

  /** @returns false when another record was faster */
  private async tryToTake(signal: AbortSignal): Promise<boolean> {
    const newest = await orAborted(this.options.records.newest(), signal);
    this.problem = undefined;
    this.doubtful = false;
    const isMine = newest.held && newest.sessionId === this.held?.sessionId;
    if (this.held !== undefined && !isMine) this.let(this.held);
    if (isMine || !newest.held || newest.id === this.silentSince) return await this.record(newest);
    await this.watch(newest, signal);
    return true;
  }

  /** Takes it, or keeps it, unless somebody else has by now. */
  private async record(newest: LeaseRecord): Promise<boolean> {
    const { clock, records, logger, lifeCycle, loop } = this.options;
    const sessionId = this.held?.sessionId ?? randomUUID();
    const sentAt = clock.sinceBoot();
    const revision = await records.append(newest.revision, sessionId, true);
    this.silentSince = undefined;
    if (revision === undefined) return false;
    if (newest.held && newest.sessionId !== sessionId)
      logger.warn({ loop, nodeId: newest.nodeId }, 'a loop is taken over from a node that keeps it no more');
    if (this.held === undefined || this.held.isOver)
      lifeCycle.tell({ type: 'lease taken', what: 'loop', id: loop });
    this.held?.cancel();
    const held = {
      ...{ sessionId, revision, untilMs: this.untilOf(sentAt), isOver: false },
      dueMs: clock.monotonic() + this.lengthMs(RECORDED_AFTER),
      cancel: () => undefined,
    };
    this.held = held;
    this.seen = undefined;
    this.watchOver(held);
    return true;
  }

  /** Until it was given back, or its holder was silent for its length. */
  private async watch(record: LeaseRecord, signal: AbortSignal): Promise<void> {
    for (let known = record; known.held && !signal.aborted; ) {
      this.seen = known;
      const news = await this.newsAfter(known, signal);
      if (news === undefined) {
        this.silentSince = known.id;
        return;
      }
      known = news;
    }
  }

  private newsAfter(known: LeaseRecord, signal: AbortSignal): Promise<LeaseRecord | undefined> {
    return new Promise((resolve) => {
      const finish = (news: LeaseRecord | undefined) => {
        cancel();
        signal.removeEventListener('abort', giveUp);
        this.onNews = () => undefined;
        resolve(news);
      };
      const giveUp = () => finish(undefined);
      const cancel = this.options.listening.after(known.leaseSeconds * 1000, giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      this.onNews = (news) => {
        if (news.revision > known.revision) finish(news);
      };
    });
  }

  /** Looks at the clock, and records again when it is time to. */
  private watchOver(held: Held): void {
    const { clock } = this.options;
    held.cancel();
    if (this.held !== held || held.isOver) return;
    if (!this.mayAct(held)) {
      this.lose(held, this.problem ?? 'it could not be recorded again in time');
      return;
    }
    if (held.dueMs <= clock.monotonic()) {
      held.dueMs = Number.POSITIVE_INFINITY;
      this.keeping = this.keep(held);
    }
    const leftMs = Math.min(held.dueMs - clock.monotonic(), held.untilMs - clock.sinceBoot(), LOOKS_AFTER_MS);
    held.cancel = clock.after(Math.max(leftMs, 0), () => this.watchOver(held));
  }

  private async keep(held: Held): Promise<void> {
    const { records, clock, logger, loop } = this.options;
    const sentAt = clock.sinceBoot();
    try {
      const revision = await records.append(held.revision, held.sessionId, true);
      // Its own, where the answer to an earlier one was lost.
      const newest = revision === undefined ? await records.newest() : undefined;
      if (newest !== undefined && newest.sessionId !== held.sessionId) {
        this.lose(held, `node ${newest.nodeId} has it`);
        this.let(held);
        return;
      }
      if (held.isOver) return;
      this.problem = undefined;
      held.revision = revision ?? newest?.revision ?? held.revision;
      if (revision !== undefined) held.untilMs = this.untilOf(sentAt);
      held.dueMs = clock.monotonic() + this.lengthMs(revision === undefined ? RETRIED_AFTER : RECORDED_AFTER);
    } catch (error) {
      this.problem = messageOf(error);
      logger.warn({ err: error, loop }, 'that a loop is run here was not recorded; trying again');
      held.dueMs = clock.monotonic() + this.lengthMs(RETRIED_AFTER);
    }
    this.watchOver(held);
  }

  private lose(held: Held, why: string): void {
    if (held.isOver || this.held !== held) return;
    held.isOver = true;
    held.cancel();
    const { loop, logger, lifeCycle } = this.options;
    const reason = new OwlError('unavailable', `the lease of the loop ${loop} is over: ${why}`);
    logger.warn({ loop, reason: reason.message }, 'a loop is not run here any more');
    lifeCycle.tell({ type: 'lease lost', what: 'loop', id: loop, reason: why });
    this.lost(reason);
  }

  /** What is known of it counts no more. */
  private let(held: Held): void {
    held.cancel();
    if (this.held === held) this.held = undefined;
  }

  private mayAct({ untilMs, isOver }: Held): boolean {
    return !isOver && this.options.clock.sinceBoot() < untilMs;
  }

  private untilOf(sentAt: number): number {
    return sentAt + this.lengthMs(ACTS_FOR);
  }

  private lengthMs(lengths: number): number {
    return lengths * this.options.leaseSeconds * 1000;
  }
}
