/**
 * The events that a reader has taken on and not yet done, and up to where all is done: the low-water mark. Those of which only the
 * stream and the revisions are kept are *left* to the store, to be read there again when it is their turn.
 *
 * Guarantees: what lies at the low-water mark or before is done, and nothing that is under way is taken on twice, however often
 * it is given; it is as large as what is held in memory and one part for each stream that has events left, however many
 * these are.
 */

import {
  CUT_OFF,
  type EventPlace,
  type Position,
  type RecordedEvent,
  type StreamName,
} from '../event-store/event-store.js';

export interface WaterMark {
  readonly position: Position;
  /** The last event on the way there that a store can be asked for; undefined when none was taken since the window began. */
  readonly last: EventPlace | undefined;
}

/** What of a stream is not held in memory. */
export interface LeftPart {
  readonly stream: StreamName;
  /** The first revision that is to be read again; behind `to` when all were. */
  from: number;
  to: number;
  /** Everything of the stream up to here is done. */
  mark: WaterMark;
}

export class Window {
  /** By the positions of what is held, in order: up to where everything before it was taken on. */
  private readonly held = new Map<Position, WaterMark>();
  private readonly left = new Set<LeftPart>();
  private newest: WaterMark;

  constructor(after: Position) {
    this.newest = { position: after, last: undefined };
  }

  /** Everything up to here was taken on. */
  get taken(): WaterMark {
    return this.newest;
  }

  /** Everything up to here is done. */
  get low(): WaterMark {
    let [lowest = this.newest] = this.held.values();
    for (const { mark } of this.left) if (mark.position < lowest.position) lowest = mark;
    return lowest;
  }

  get isEmpty(): boolean {
    return this.held.size === 0 && this.left.size === 0;
  }

  /** One that lies behind all that were taken on. */
  take(event: RecordedEvent): void {
    const { newest } = this;
    this.held.set(event.position, newest);
    this.newest = event.type === CUT_OFF ? { position: event.position, last: newest.last } : markAt(event);
  }

  /** There is nothing of interest up to this position. */
  pass(position: Position): void {
    if (position > this.newest.position) this.newest = { position, last: this.newest.last };
  }

  /**
   * They are held no more.
   * @param events the last ones of their stream that are held, in order
   * @param part what is left of the stream already: behind them, if anything is
   */
  leave(events: readonly [RecordedEvent, ...RecordedEvent[]], part: LeftPart | undefined): LeftPart {
    const [{ stream, revision: from, position }] = events;
    const to = events.at(-1)?.revision ?? from;
    const mark = this.held.get(position);
    for (const event of events) this.held.delete(event.position);
    if (part !== undefined) {
      part.from = part.from > part.to ? from : Math.min(part.from, from);
      part.to = Math.max(part.to, to);
      if (mark !== undefined && mark.position < part.mark.position) part.mark = mark;
      return part;
    }
    const created = { stream, from, to, mark: mark ?? this.low };
    this.left.add(created);
    return created;
  }

  /** @param part what is left of its stream */
  done(event: RecordedEvent, part: LeftPart | undefined): void {
    if (this.held.delete(event.position) || part === undefined) return;
    part.mark = markAt(event);
  }

  /** All of it is done. */
  forget(part: LeftPart): void {
    this.left.delete(part);
  }

  /** What was passed over behind the last event says nothing about another history. */
  forgetPassed(): void {
    const { last } = this.newest;
    if (last !== undefined) this.newest = { position: last.position, last };
  }
}

function markAt({ position, stream, revision, id }: RecordedEvent): WaterMark {
  return { position, last: { position, stream, revision, id } };
}
