/**
 * One lane for each stream that has events under way: its events are reacted to one after another, beside those of all others.
 *
 * Guarantees: an event that can't be reacted to now is tried again, with growing delays and without end, and shows meanwhile; one
 * that is thrown at is parked after a few attempts; either delays its own lane alone, and takes no place from others while it
 * waits: where there is no room for others, a lane leaves what is beyond its share to the store, and one that waits all it has. A lane
 * that is given up leaves its events undone.
 */

import type { Logger } from 'pino';
import { Backoff, type BackoffOptions, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { isTransient } from '../../base/failure-kinds.js';
import { limitConcurrency } from '../../base/limit-concurrency.js';
import type { RecordedEvent, StreamName } from '../event-store/event-store.js';
import type { Parking } from '../readers/parking.js';
import type { Window } from '../readers/window.js';
import { Lane, type LaneOptions } from './lane.js';

export interface LanesOptions extends Pick<LaneOptions, 'store' | 'room' | 'share'> {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backoff: BackoffOptions | undefined;
  readonly parking: Parking;
  /** Lanes in which something is tried at the same time. */
  readonly streams: number;
  /** How often an event is tried that is thrown at before it is parked. */
  readonly attempts: number;
  readonly react: (event: RecordedEvent, signal: AbortSignal) => Promise<void>;
  /** It was reacted to, or is parked. */
  readonly done: (event: RecordedEvent) => void;
}

/** A stream whose first event under way waits to be tried again. */
export interface WaitingStream {
  readonly stream: StreamName;
  readonly revision: number;
  readonly reason: string;
  /** Since it was tried for the first time. Milliseconds. */
  readonly waitingMs: number;
}

interface Retry {
  readonly revision: number;
  readonly reason: string;
  readonly since: number;
}

interface Attempt {
  /** Undefined where it could not be read. */
  readonly event?: RecordedEvent | undefined;
  readonly error?: Error;
}

export class Lanes {
  private readonly options: LanesOptions;
  private readonly limited: ReturnType<typeof limitConcurrency>;
  private readonly lanes = new Map<StreamName, Lane>();
  private readonly running = new Set<Promise<void>>();
  private readonly retries = new Map<StreamName, Retry>();
  /** Those that wait to try again. */
  private readonly idle = new Set<Lane>();
  /** Those that may hold more than is theirs when there is no room. */
  private readonly wide = new Set<Lane>();
  private laneOptions: LaneOptions | undefined;

  constructor(options: LanesOptions) {
    this.options = options;
    this.limited = limitConcurrency(options.streams);
  }

  get retrying(): number {
    return this.retries.size;
  }

  /** The first ones. */
  waiting(limit: number): readonly WaitingStream[] {
    const now = this.options.clock.monotonic();
    return [...this.retries]
      .slice(0, limit)
      .map(([stream, { revision, reason, since }]) => ({ stream, revision, reason, waitingMs: now - since }));
  }

  has(stream: StreamName): boolean {
    return this.lanes.has(stream);
  }

  /**
   * @param window has just taken it
   * @param signal gives the event up, and with it its lane
   */
  put(event: RecordedEvent, window: Window, signal: AbortSignal): void {
    let lane = this.lanes.get(event.stream);
    if (lane === undefined) {
      lane = new Lane(event.stream, this.optionsFor(window));
      this.lanes.set(event.stream, lane);
      lane.put(event);
      const run = this.run(lane, signal);
      this.running.add(run);
      void run.then(() => this.running.delete(run));
      return;
    }
    lane.put(event);
    if (lane.isLong || this.idle.has(lane)) this.wide.add(lane);
  }

  /** Lets lanes leave to the store what others have no room for. */
  makeRoom(): void {
    for (const lane of this.wide) lane.leave(this.idle.has(lane));
    this.wide.clear();
  }

  /** Resolves once all lanes have ended. */
  async idled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private optionsFor(window: Window): LaneOptions {
    const { store, room, share, logger } = this.options;
    if (this.laneOptions?.window !== window) this.laneOptions = { store, room, share, logger, window };
    return this.laneOptions;
  }

  private async run(lane: Lane, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !lane.isEmpty) await this.settleFirst(lane, signal);
    this.lanes.delete(lane.stream);
    this.wide.delete(lane);
    lane.giveUp();
  }

  /** Its first event, unless it is given up. What was sent for it before a failure is sent again under the same ids. */
  private async settleFirst(lane: Lane, signal: AbortSignal): Promise<void> {
    const { name, clock, logger, attempts } = this.options;
    const backoff = new Backoff(this.options.backoff);
    const since = clock.monotonic();
    let thrown = 0;
    try {
      while (!signal.aborted) {
        const { event, error: failure } = await this.limited(() => this.attempt(lane, signal));
        let error = failure;
        if (error !== undefined) {
          if (signal.aborted) return;
          if (event !== undefined && !isTransient(error)) thrown += 1;
          if (event !== undefined && thrown >= attempts) error = this.park(event, error, thrown);
        }
        if (error === undefined) return this.done(lane, event);
        this.retries.set(lane.stream, { revision: lane.next, reason: error.message, since });
        logger.warn({ err: error, reactor: name, event: event?.id }, 'reacting failed; trying again');
        await this.rest(lane, backoff.next(), signal);
      }
    } finally {
      this.retries.delete(lane.stream);
    }
  }

  private done(lane: Lane, event: RecordedEvent | undefined): void {
    if (event === undefined) return;
    lane.done();
    this.options.done(event);
  }

  private async rest(lane: Lane, delayMs: number, signal: AbortSignal): Promise<void> {
    this.idle.add(lane);
    // Somebody may be waiting for room already.
    if (this.options.room.isFull) lane.leave(true);
    else this.wide.add(lane);
    await wait(this.options.clock, delayMs, signal);
    this.idle.delete(lane);
  }

  /** Gives no event where it is given up. */
  private async attempt(lane: Lane, signal: AbortSignal): Promise<Attempt> {
    const { parking, react } = this.options;
    let event: RecordedEvent | undefined;
    try {
      if (!signal.aborted) event = await lane.first();
      if (event === undefined || signal.aborted) return {};
      if (lane.isLong) this.wide.add(lane);
      if (!parking.parkUntried(event)) await react(event, signal);
      return { event };
    } catch (error) {
      return { event, error: toError(error) };
    }
  }

  /** Answers why that can't be done now. */
  private park(event: RecordedEvent, { message }: Error, attempts: number): Error | undefined {
    try {
      this.options.parking.park(event, message, attempts);
      return undefined;
    } catch (error) {
      return toError(error);
    }
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
