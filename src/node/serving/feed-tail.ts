/**
 * The newest events of some categories, read from the store once for all who follow them live.
 *
 * Guarantees: what it holds has no hole and is in order; it never holds more events than its bound, and waits for nobody who
 * reads it; it ends with what its subscription ended with, and with a refusal when the store is no longer the one that it began
 * with, before anything of another one is shown.
 */

import { OwlError } from '../../base/errors.js';
import {
  CUT_OFF,
  type EventPlace,
  type EventStore,
  type Position,
  type RecordedEvent,
  type SubscriptionBatch,
} from '../../runtime/event-store/event-store.js';
import type { Unreadable } from '../../runtime/read-models/unreadable-events.js';
import type { FeedPlace } from './feed-cursor.js';

export interface FeedEvent {
  readonly event: RecordedEvent;
  /** Why nobody may go by it; undefined for a good one. Unless it only stands behind, not even its type and data are its own. */
  readonly problem: Unreadable | undefined;
}

export type Matches = (one: FeedEvent) => boolean;

export interface FeedTailOptions {
  readonly store: Pick<EventStore, 'subscribe'>;
  readonly categories: readonly string[];
  /** Of events. */
  readonly bound: number;
  /** Where the store ended. */
  readonly from: Position;
  mark(events: readonly RecordedEvent[]): Promise<readonly FeedEvent[]>;
  /** @throws when the store no longer holds what is at this place */
  assertHeld(place: FeedPlace): Promise<void>;
}

export interface Taken {
  readonly events: readonly FeedEvent[];
  readonly upTo: Position;
  /** The last one that was looked at, be it one that matches or not. */
  readonly last: EventPlace | undefined;
  /** How many were looked at. */
  readonly looked: number;
}

export class FeedTail {
  private readonly options: FeedTailOptions;
  private readonly events: FeedEvent[] = [];
  private readonly sleepers = new Set<() => void>();
  private floor: Position;
  private last: EventPlace | undefined;
  private failure: { readonly error: unknown } | undefined;
  /** Everything up to here was read. */
  reached: Position;
  /** How often the store was away meanwhile: what is read from then on may be of another one. */
  resumptions = 0;

  constructor(options: FeedTailOptions) {
    this.options = options;
    this.floor = options.from;
    this.reached = options.from;
  }

  /** Reads until the signal aborts or reading fails. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, categories, bound } = this.options;
    const batchSize = Math.min(bound, 256);
    try {
      const batches = store.subscribe({ after: this.reached, categories, signal, batchSize });
      for await (const batch of batches) await this.take(batch);
      throw new OwlError('unavailable', 'the event store has ended; follow again later');
    } catch (error) {
      this.failure = { error };
    }
    this.wakeAll();
  }

  /** Every event behind this position, up to the newest one read, is held. */
  covers(position: Position): boolean {
    return position >= this.floor;
  }

  /** @throws what its reading ended with */
  assertGoesOn(): void {
    if (this.failure !== undefined) throw this.failure.error;
  }

  /** The first `limit` that match behind a position that it covers. */
  after(position: Position, limit: number, matches: Matches): Taken {
    const events: FeedEvent[] = [];
    const first = this.indexBehind(position);
    let index = first;
    for (; index < this.events.length && events.length < limit; index++) {
      const one = this.events[index];
      if (one !== undefined && matches(one)) events.push(one);
    }
    const last = index > first ? placeOf(this.events.slice(first, index)) : undefined;
    const isAll = index === this.events.length;
    const passed = this.events[index - 1]?.event.position ?? position;
    const upTo = isAll ? this.reached : passed;
    return { events, upTo: upTo > position ? upTo : position, last, looked: index - first };
  }

  /** Resolves when there is more, when it has ended, or when the signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.sleepers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      if (signal.aborted || this.failure !== undefined) return resolve();
      this.sleepers.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  private async take({ events, checkpoint, resumed }: SubscriptionBatch): Promise<void> {
    if (resumed) {
      await this.options.assertHeld({ position: this.reached, last: this.last });
      this.resumptions += 1;
    }
    if (events.length > 0) this.events.push(...(await this.options.mark(events)));
    this.last = placeOf(this.events) ?? this.last;
    this.reached = checkpoint;
    const over = this.events.splice(0, Math.max(this.events.length - this.options.bound, 0));
    this.floor = over.at(-1)?.event.position ?? this.floor;
    this.wakeAll();
  }

  private wakeAll(): void {
    for (const wake of [...this.sleepers]) wake();
  }

  private indexBehind(position: Position): number {
    let [low, high] = [0, this.events.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.events[middle]?.event.position;
      if (at !== undefined && at <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The last of these that is in its stream: what says that a stream was cut off is not. */
export function placeOf(events: readonly FeedEvent[]): EventPlace | undefined {
  return events.findLast(({ event }) => event.type !== CUT_OFF)?.event;
}
