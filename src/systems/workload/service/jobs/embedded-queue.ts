/**
 * The queue without a broker: its waiting list is the read model, so a hint that was stored as queued can't be lost, and who is
 * connected to this node is given what waits, by rank, as far as it has room. One look at the rows serves many.
 *
 * Guarantees: a hint is given to one pilot at a time, that offers the executable and has a free slot and the memory; what is out
 * counts as taken until it is answered, its job moves on or is queued again, or its consumer is gone or given no work any more; who refused a job, or was
 * refused it, is not given it again at once; what was lost on a machine goes elsewhere first, where somebody else has room.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../../../base/clock.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { DEVICES } from '../../devices.js';
import { type Room, roomsOf, takeRoom } from './hint-rooms.js';
import type { JobQueries, WaitingJob } from './job-queries.js';
import type { HintConsumer, JobHint, JobQueue } from './job-queue.js';
import { type Offers, offeredBy } from './offers.js';
import { WaitingWindow } from './waiting-window.js';

/** Before a pilot is given a hint again whose claim came to nothing. */
const AGAIN_AFTER_MS = 2_000;

/** Nothing more waits for it, and nobody has more room. */
const NO_NEWS: ReadonlySet<string> = new Set(['JobCreated', 'JobStarted', 'PilotReported']);

interface Out {
  readonly pilot: string;
  readonly memoryMib: number;
  /** Monotonic milliseconds: it came to nothing, and is not given again before. */
  pausedUntil: number | undefined;
}

export class EmbeddedQueue implements JobQueue {
  readonly name = 'embedded';
  readonly away = undefined;
  private readonly queries: JobQueries;
  private readonly offers: Offers;
  private readonly windows: ReadonlyMap<string, WaitingWindow>;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly consumers = new Map<string, HintConsumer>();
  private readonly out = new Map<string, Out>();
  private wanted = false;
  private stopped = false;
  private failed = false;
  private cancelPause: (() => void) | undefined;

  /** @param offers are told of what was applied before this queue is */
  constructor(queries: JobQueries, offers: Offers, clock: Clock, logger: Logger) {
    this.queries = queries;
    this.offers = offers;
    this.windows = new Map(DEVICES.map((device) => [device, new WaitingWindow(queries, device)]));
    this.clock = clock;
    this.logger = logger;
  }

  get delivered(): number {
    return [...this.out.values()].filter(({ pausedUntil }) => pausedUntil === undefined).length;
  }

  async depth(device: string): Promise<number> {
    return this.queries.queuedOf(device);
  }

  /** The store is the broker: JobQueued, which follows, is what confirms it. */
  async publish(): Promise<void> {}

  consume(consumer: HintConsumer): () => void {
    this.takeBack(consumer.pilot);
    this.consumers.set(consumer.pilot, consumer);
    this.wake();
    return () => {
      if (this.consumers.get(consumer.pilot) !== consumer) return;
      this.consumers.delete(consumer.pilot);
      this.takeBack(consumer.pilot);
      this.wake();
    };
  }

  settle(pilot: string, job: string, outcome: 'taken' | 'released'): void {
    const out = this.out.get(job);
    if (out?.pilot !== pilot) return;
    // Granted, it stays out until the row says so: else it would be given once more meanwhile.
    if (outcome === 'taken') return;
    out.pausedUntil = this.clock.monotonic() + AGAIN_AFTER_MS;
    this.forgetWindows();
    this.wake();
  }

  /** What was applied to the read model: a job that something has happened to is out no more. */
  observe(events: readonly RecordedEvent[]): void {
    let concerns = false;
    for (const window of this.windows.values()) window.observe(events);
    for (const { stream, type } of events) {
      if (NO_NEWS.has(type) || !/^wl_(job|pilot|task|switch)-/.test(stream)) continue;
      concerns = true;
      if (stream.startsWith('wl_job-')) this.out.delete(idOf(stream));
    }
    if (concerns) this.wake();
  }

  /** The rows are others: what is out is out. */
  forget(): void {
    this.forgetWindows();
    this.wake();
  }

  stop(): void {
    this.stopped = true;
    this.cancelPause?.();
    this.consumers.clear();
    this.out.clear();
  }

  /** Something has changed. Looks once for all that has in this turn. */
  private wake(): void {
    if (this.wanted || this.stopped || this.consumers.size === 0) return;
    this.wanted = true;
    setImmediate(() => {
      this.wanted = false;
      if (!this.stopped) this.tryToGive();
    });
  }

  private takeBack(pilot: string): void {
    for (const [job, out] of this.out) if (out.pilot === pilot) this.letGo(job);
  }

  /** It waits once more. */
  private letGo(job: string): void {
    this.out.delete(job);
    this.forgetWindows();
  }

  private forgetWindows(): void {
    for (const window of this.windows.values()) window.expire();
  }

  /** What can't be read now is read again later; then nothing was given, or what was is out. */
  private tryToGive(): void {
    try {
      this.give();
      this.failed = false;
    } catch (error) {
      if (!this.failed) this.logger.error({ err: error }, 'no hints can be given; trying again');
      this.failed = true;
      this.cancelPause?.();
      this.cancelPause = this.clock.after(AGAIN_AFTER_MS, () => this.wake());
    }
  }

  private give(): void {
    if (this.queries.isStrictlyOff()) return;
    const here = this.offers
      .all()
      .filter(({ pilot, sessionId }) => this.consumers.get(pilot)?.sessionId === sessionId);
    this.dropUnserved(new Set(here.map(({ pilot }) => pilot)));
    const given = [...this.out.values()].filter(({ pausedUntil }) => pausedUntil === undefined);
    const rooms = roomsOf(here, this.consumers, given);
    for (const [device, window] of this.windows)
      this.giveOf(
        window,
        rooms.filter(({ offer }) => offer.deviceType === device),
      );
    this.lookAgain();
  }

  private giveOf(window: WaitingWindow, rooms: readonly Room[]): void {
    const free = rooms.filter(({ slots }) => slots > 0);
    if (free.length === 0) return;
    const by = (some: readonly Room[]) => offeredBy(some.map(({ offer }) => offer));
    window.each({ offered: by(rooms), free: by(free), out: this.out.size }, (job) => this.giveOne(job, free));
  }

  /** Who is given no work any more comes for nothing. */
  private dropUnserved(serving: ReadonlySet<string>): void {
    for (const [job, { pilot }] of this.out) if (!serving.has(pilot)) this.letGo(job);
  }

  /** @param rooms those that had a free slot */
  private giveOne(job: WaitingJob, rooms: readonly Room[]): 'given' | 'stays' | 'no room' {
    if (rooms.every(({ slots }) => slots <= 0)) return 'no room';
    const before = this.out.get(job.uid);
    if (before !== undefined && before.pausedUntil === undefined) return 'given';
    if (before?.pausedUntil !== undefined && before.pausedUntil > this.clock.monotonic()) return 'stays';
    const room = takeRoom(job, rooms);
    if (room === undefined) return 'stays';
    const { pilot } = room.offer;
    this.out.set(job.uid, {
      ...{ pilot, memoryMib: job.memoryMib, pausedUntil: undefined },
    });
    const hint: JobHint = { job: job.uid, curRetry: job.curRetry };
    room.consumer.deliver(hint);
    return 'given';
  }

  /** When the first pause is over. */
  private lookAgain(): void {
    this.cancelPause?.();
    const pauses = [...this.out.values()].flatMap(({ pausedUntil }) => pausedUntil ?? []);
    if (pauses.length === 0) return;
    const delayMs = Math.min(...pauses) - this.clock.monotonic();
    this.cancelPause = this.clock.after(Math.max(delayMs, 1), () => this.wake());
  }
}
