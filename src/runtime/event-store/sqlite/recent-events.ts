/**
 * The newest events of a store, in memory, so that a live subscriber never reads the database.
 *
 * Guarantees: what it holds has no hole in its positions, and it never holds more than its bounds allow. An event that
 * does not follow the newest one (another process wrote in between) empties it first.
 */

import type { RecordedEvent } from '../event-store.js';

export interface RecentEventsBounds {
  readonly events: number;
  /** Sum of the sizes given with the events. */
  readonly size: number;
}

export class RecentEvents {
  private readonly bounds: RecentEventsBounds;
  /** A ring: the event at position p stands at p modulo its length. */
  private readonly ring: (RecordedEvent | undefined)[];
  private readonly sizes: number[];
  /** Positions held: from `first` to `last`, inclusive; none when `first` is greater. */
  private first = 1;
  private last = 0;
  private size = 0;

  constructor(bounds: RecentEventsBounds) {
    this.bounds = bounds;
    this.ring = new Array<RecordedEvent | undefined>(bounds.events).fill(undefined);
    this.sizes = new Array<number>(bounds.events).fill(0);
  }

  add(position: number, event: RecordedEvent, size: number): void {
    if (position !== this.last + 1) this.clear(position);
    this.last = position;
    const slot = position % this.ring.length;
    if (position - this.first >= this.ring.length) this.dropFirst();
    this.ring[slot] = event;
    this.sizes[slot] = size;
    this.size += size;
    while (this.size > this.bounds.size) this.dropFirst();
  }

  /** True when every event after this position, up to the newest one held, is here; false when there is none. */
  covers(after: number): boolean {
    return after + 1 >= this.first && after < this.last;
  }

  /**
   * The events after a position it covers that pass the filter, at most `limit`, and the position up to which it looked.
   */
  after(
    after: number,
    limit: number,
    matches: (event: RecordedEvent) => boolean,
  ): { readonly events: RecordedEvent[]; readonly upTo: number } {
    const events: RecordedEvent[] = [];
    let upTo = after;
    while (upTo < this.last && events.length < limit) {
      upTo++;
      const event = this.ring[upTo % this.ring.length];
      if (event !== undefined && matches(event)) events.push(event);
    }
    return { events, upTo };
  }

  private clear(next: number): void {
    this.ring.fill(undefined);
    this.sizes.fill(0);
    this.first = next;
    this.last = next - 1;
    this.size = 0;
  }

  private dropFirst(): void {
    const slot = this.first % this.ring.length;
    this.size -= this.sizes[slot] ?? 0;
    this.ring[slot] = undefined;
    this.first++;
  }
}
