/**
 * The events of one stream that a reactor has taken on and not yet done, in order. The first ones are held in memory. Where there is
 * no room the others are left to the store: then only their revisions are known, and they are read again when it is their turn.
 *
 * Guarantees: what is left costs the same however much it is; nothing is left out: what can't be read again because it is damaged
 * is given as it is found; what is no longer stored, since somebody deleted it or cut it off, is told in the log.
 */

import type { Logger } from 'pino';
import { DamagedStreamError, OwlError } from '../../base/errors.js';
import { roughSizeOf } from '../event-store/event-size.js';
import {
  CUT_OFF,
  categoryOf,
  type EventStore,
  type RecordedEvent,
  type StreamName,
} from '../event-store/event-store.js';
import type { LeftPart, Window } from '../readers/window.js';
import type { Room } from './room.js';

/** How much of a stream is held while there is no room for others. */
export interface LaneShare {
  readonly events: number;
  /** Characters of JSON, about. */
  readonly size: number;
}

export interface LaneOptions {
  readonly store: Pick<EventStore, 'readStream' | 'readAll'>;
  readonly window: Window;
  readonly room: Room;
  readonly share: LaneShare;
  readonly logger: Logger;
}

/** Events, where there is room: what is beyond the share is left again when others need it. */
const READ_AT_ONCE = 64;

interface Held {
  readonly event: RecordedEvent;
  readonly size: number;
}

export class Lane {
  readonly stream: StreamName;
  private readonly options: LaneOptions;
  private readonly held: Held[] = [];
  private heldSize = 0;
  private left: LeftPart | undefined;
  /** Those that came behind what is left. No stream gives them again. */
  private readonly cutOffs: Held[] = [];

  constructor(stream: StreamName, options: LaneOptions) {
    this.stream = stream;
    this.options = options;
  }

  get isEmpty(): boolean {
    return this.held.length === 0 && this.cutOffs.length === 0 && !this.hasMore;
  }

  /** It holds more than its share. */
  get isLong(): boolean {
    const { events, size } = this.options.share;
    return this.held.length > events || (this.held.length > 1 && this.heldSize > size);
  }

  /** Its events are those that the window has just taken. */
  put(event: RecordedEvent): void {
    const { window, room } = this.options;
    if (event.type === CUT_OFF && this.hasMore) this.cutOffs.push(this.hold(event));
    else if (event.type === CUT_OFF || !(this.hasMore || room.isFull)) this.held.push(this.hold(event));
    else this.leaveTo(() => window.leave([event], this.left));
  }

  /** The revision whose turn it is. */
  get next(): number {
    return this.held[0]?.event.revision ?? this.left?.from ?? 0;
  }

  /** The event whose turn it is. Undefined where nothing is left of what was taken on. @throws StoreUnavailableError; OwlError `unavailable` */
  async first(): Promise<RecordedEvent | undefined> {
    if (this.held.length === 0 && this.hasMore) await this.readMore();
    if (this.held.length === 0) this.held.push(...this.cutOffs.splice(0, 1));
    return this.held[0]?.event;
  }

  /** The first event is done. */
  done(): void {
    const first = this.held.shift();
    if (first === undefined) return;
    this.release(first);
    this.options.window.done(first.event, this.left);
    if (this.left !== undefined && !this.hasMore && first.event.revision >= this.left.to)
      this.forgetLeft(this.left);
  }

  /** Leaves to the store what is beyond its share. @param isIdle it waits, and needs none of it for now */
  leave(isIdle: boolean): void {
    const { window, share } = this.options;
    let keep = 0;
    let size = 0;
    if (!isIdle)
      for (const each of this.held.slice(0, share.events)) {
        size += each.size;
        if (keep > 0 && size > share.size) break;
        keep += 1;
      }
    const given = this.held.splice(keep);
    const [first, ...others] = given.filter(({ event }) => event.type !== CUT_OFF);
    this.cutOffs.unshift(...given.filter(({ event }) => event.type === CUT_OFF));
    if (first === undefined) return;
    for (const each of [first, ...others]) this.release(each);
    this.leaveTo(() => window.leave([first.event, ...others.map(({ event }) => event)], this.left));
  }

  /** What is not done is given up, and for the window stays undone. */
  giveUp(): void {
    for (const each of [...this.held, ...this.cutOffs]) this.release(each);
    if (this.left !== undefined) this.options.room.giveBack(0);
  }

  private get hasMore(): boolean {
    return this.left !== undefined && this.left.from <= this.left.to;
  }

  private hold(event: RecordedEvent): Held {
    const size = roughSizeOf(event);
    this.options.room.take(size);
    this.heldSize += size;
    return { event, size };
  }

  private release({ size }: Held): void {
    this.heldSize -= size;
    this.options.room.giveBack(size);
  }

  private leaveTo(leave: () => LeftPart): void {
    if (this.left === undefined) this.options.room.take(0);
    this.left = leave();
  }

  private forgetLeft(left: LeftPart): void {
    this.options.window.forget(left);
    this.options.room.giveBack(0);
    this.left = undefined;
  }

  private async readMore(): Promise<void> {
    const { left } = this;
    if (left === undefined) return;
    // More may be left meanwhile.
    const { stream, from, to } = left;
    const events = await this.readAgain(left, to);
    const next = events[0]?.revision ?? to + 1;
    if (next > from)
      this.options.logger.error(
        { stream, from, to: next - 1 },
        'events that were to be reacted to are no longer stored',
      );
    for (const event of events) this.held.push(this.hold(event));
    left.from = (events.at(-1)?.revision ?? to) + 1;
    if (events.length === 0 && !this.hasMore) this.forgetLeft(left);
  }

  /** Some more of it, in order; none where nothing of it is stored any more. */
  private async readAgain(left: LeftPart, to: number): Promise<readonly RecordedEvent[]> {
    const { store, room, share } = this.options;
    const { stream, from } = left;
    const limit = Math.min(room.isFull ? 1 : READ_AT_ONCE, to - from + 1);
    const events: RecordedEvent[] = [];
    let size = 0;
    let isWhole = true;
    try {
      for await (const event of store.readStream(stream, { from, limit })) {
        isWhole = event.revision === from + events.length;
        if (!isWhole) break;
        events.push(event);
        size += roughSizeOf(event);
        if (size > share.size) break;
      }
      // Who deletes a stream leaves nothing in it; whether that is so, only its beginning tells.
      if (isWhole && events.length === 0) for await (const _ of store.readStream(stream, { limit: 1 })) break;
    } catch (error) {
      if (!(error instanceof DamagedStreamError)) throw error;
      isWhole = false;
    }
    if (events.length > 0) return events;
    if (!isWhole) return this.asItIs(left, to);
    throw new OwlError('unavailable', `revision ${from} of ${stream} can't be read yet; it is read again`);
  }

  /** The next one that is stored, whatever is wrong with it: readings of all streams give it. */
  private async asItIs({ stream, from, mark }: LeftPart, to: number): Promise<readonly RecordedEvent[]> {
    const { store } = this.options;
    const categories = [categoryOf(stream)];
    for await (const event of store.readAll({ after: mark.position, categories })) {
      if (event.stream === stream && event.revision >= from && event.revision <= to) return [event];
    }
    return [];
  }
}
