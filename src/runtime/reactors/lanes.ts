/**
 * One lane for each stream that has events under way: its events are reacted to one after another, beside those of all others.
 *
 * Guarantees: an event that can't be reacted to now is tried again, with growing delays and without end, and shows meanwhile; one
 * that is thrown at is parked after a few attempts; either delays its own lane alone, and takes no place from others while it
 * waits. A lane that is given up leaves its events undone.
 */

import type { Logger } from 'pino';
import { Backoff, type BackoffOptions, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { isTransient } from '../../base/failure-kinds.js';
import { limitConcurrency } from '../../base/limit-concurrency.js';
import type { RecordedEvent, StreamName } from '../event-store/event-store.js';
import type { Parking } from '../readers/parking.js';

export interface LanesOptions {
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

export class Lanes {
  private readonly options: LanesOptions;
  private readonly limited: ReturnType<typeof limitConcurrency>;
  private readonly queues = new Map<StreamName, RecordedEvent[]>();
  private readonly running = new Set<Promise<void>>();
  private readonly retries = new Map<StreamName, Retry>();

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

  /** @param signal gives the event up, and with it its lane */
  put(event: RecordedEvent, signal: AbortSignal): void {
    const queue = this.queues.get(event.stream);
    if (queue !== undefined) {
      queue.push(event);
      return;
    }
    const own = [event];
    this.queues.set(event.stream, own);
    const lane = this.run(event.stream, own, signal);
    this.running.add(lane);
    void lane.then(() => this.running.delete(lane));
  }

  /** Resolves once all lanes have ended. */
  async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private async run(stream: StreamName, queue: RecordedEvent[], signal: AbortSignal): Promise<void> {
    for (let event = queue[0]; event !== undefined && !signal.aborted; event = queue[0]) {
      if (!(await this.settle(event, signal))) break;
      queue.shift();
      this.options.done(event);
    }
    this.queues.delete(stream);
  }

  /** False when it is given up. What was sent for it before a failure is sent again under the same ids. */
  private async settle(event: RecordedEvent, signal: AbortSignal): Promise<boolean> {
    const { name, clock, logger, attempts } = this.options;
    const backoff = new Backoff(this.options.backoff);
    const since = clock.monotonic();
    let thrown = 0;
    try {
      while (!signal.aborted) {
        let error = await this.limited(() => this.attempt(event, signal)).catch(toError);
        if (error === undefined) return true;
        if (signal.aborted) return false;
        if (!isTransient(error)) thrown += 1;
        if (thrown >= attempts) error = this.park(event, error, thrown);
        if (error === undefined) return true;
        this.retries.set(event.stream, { revision: event.revision, reason: error.message, since });
        logger.warn({ err: error, reactor: name, event: event.id }, 'reacting failed; trying again');
        await wait(clock, backoff.next(), signal);
      }
      return false;
    } finally {
      this.retries.delete(event.stream);
    }
  }

  private async attempt(event: RecordedEvent, signal: AbortSignal): Promise<undefined> {
    const { parking, react } = this.options;
    if (!signal.aborted && !parking.parkUntried(event)) await react(event, signal);
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
