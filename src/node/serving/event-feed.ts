/**
 * Every event of some categories, for those who may miss none: it conflates nothing, and a follower goes on exactly behind
 * where it was, over a restart of itself and of the node. Who only wants to know what is so now watches rows (watch.ts).
 *
 * Guarantees:
 * - between one cursor and a later one a follower is given each event that it asked for exactly once, in order of position;
 *   that a stream was cut off may be told again, for it is no event of that stream;
 * - a follower is read on for when it has taken what it was given, and holds no more than one batch: a slow one reads on from
 *   the store, and slows nobody. Those that are live share one reading of the store, whatever each of them asks for;
 * - nothing is left out: what can't be read, and what stands behind that in its stream, comes in its place with the reason
 *   not to go by it (decision 0018), and without one once that is mended;
 * - a cursor that is not of this store is refused (feed-cursor.ts), and so is every follower, before it is given anything more,
 *   when the store turns out to be another one or an older copy.
 *
 * A follower is in one of two modes. *Below* the tail it reads the store by itself, the categories that it asked for, until it
 * has got to what the tail holds. *Live* it takes from the tail what it asked for, and is below again once the tail has
 * dropped what it had not taken yet. Both go by position, so there is no seam.
 */

import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import {
  categoryOf,
  type EventPlace,
  type Position,
  type RecordedEvent,
  START,
  type StreamName,
} from '../../runtime/event-store/event-store.js';
import type { Runtime } from '../../runtime/runtime.js';
import { assertHeld, type Cursor, cursorBehind, type FeedPlace, readCursor } from './feed-cursor.js';
import { type FeedEvent, FeedTail, type Matches, placeOf } from './feed-tail.js';

export interface EventFeedOptions {
  readonly runtime: Pick<Runtime, 'store' | 'unreadableIn'>;
  readonly clock: Clock;
  readonly categories: readonly string[];
  /** The newest events kept in memory for those who are live, all together. Default 1024. */
  readonly bound?: number;
}

/** What is left out asks for everything. */
export interface FollowOptions {
  /** The cursor of the batch before; default: from the beginning. */
  readonly after?: Cursor;
  /** How messages call `after`. */
  readonly field?: string;
  readonly categories?: readonly string[];
  readonly streams?: Iterable<StreamName>;
  readonly types?: Iterable<string>;
  /** Not asked of what can't be read, nor is its type: who asked for its stream is told of it. */
  readonly matches?: (event: RecordedEvent) => boolean;
  /** Events of one batch at the most. Default 256. */
  readonly batchSize?: number;
}

export interface FeedBatch {
  /** In order. None where only the cursor moved on, or to say for the first time that the end was reached. */
  readonly events: readonly FeedEvent[];
  /** Following goes on behind this batch with it. */
  readonly cursor: Cursor;
  /** Nothing was stored behind it when it was made. */
  readonly caughtUp: boolean;
}

const BOUND = 1024;
const BATCH = 256;
/** After so many events that did not match the cursor is told, so that they need not be looked at again. */
const SILENT_EVENTS = 1024;

interface SharedTail {
  readonly tail: Promise<FeedTail>;
  readonly ending: AbortController;
  followers: number;
}

/** One who follows: where it is, and what it asked for. */
interface Follower {
  /** Everything up to here was looked at. */
  position: Position;
  /** The last event that was looked at: what follows it and is of no interest is looked at again by who comes back. */
  last: EventPlace | undefined;
  /** The store holds that, as of so many resumptions of the tail. */
  heldAt: number;
  /** The cursor until there is such an event. */
  readonly after: Cursor;
  toldCaughtUp: boolean;
  silent: number;
  readonly categories: readonly string[];
  readonly matches: Matches;
  readonly batchSize: number;
  readonly signal: AbortSignal;
}

export class EventFeed {
  private readonly options: EventFeedOptions;
  private readonly closing = new AbortController();
  private shared: SharedTail | undefined;

  constructor(options: EventFeedOptions) {
    this.options = options;
  }

  /** Ends all who follow, and those who begin to later, without an error. */
  close(): void {
    this.closing.abort();
  }

  /**
   * Ends with the signal, and when the feed is closed.
   * @throws InvalidFieldError for what is no cursor; OwlError kind `invalid` for a category that the feed does not have, `refused`
   *   for a cursor that is not of this store, `unavailable` when the store fails: follow again with the last cursor
   */
  async *follow(options: FollowOptions, signal: AbortSignal): AsyncGenerator<FeedBatch> {
    const follower = this.followerOf(options, AbortSignal.any([signal, this.closing.signal]));
    if (follower.signal.aborted) return;
    const shared = this.join();
    try {
      const tail = await shared.tail;
      follower.heldAt = tail.resumptions;
      await this.assertHeld(follower, follower.signal);
      while (!follower.signal.aborted) {
        if (tail.covers(follower.position)) yield* this.live(follower, tail);
        else yield* this.below(follower, tail);
      }
    } finally {
      this.leave(shared);
    }
  }

  /** Until the tail has dropped what comes next. */
  private async *live(follower: Follower, tail: FeedTail): AsyncGenerator<FeedBatch> {
    const { signal, batchSize, matches } = follower;
    while (!signal.aborted && tail.covers(follower.position)) {
      if (follower.heldAt !== tail.resumptions) {
        // What the tail has seen itself says nothing of what came before it.
        follower.heldAt = tail.resumptions;
        await this.assertHeld(follower, signal);
        continue;
      }
      const { events, upTo, last, looked } = tail.after(follower.position, batchSize, matches);
      follower.position = upTo;
      follower.last = last ?? follower.last;
      follower.silent += looked;
      const caughtUp = upTo >= tail.reached;
      const isNews = events.length > 0 || (caughtUp && !follower.toldCaughtUp);
      if (isNews || follower.silent >= SILENT_EVENTS) yield told(follower, events, caughtUp);
      else if (caughtUp) {
        tail.assertGoesOn();
        await tail.changed(signal);
      }
    }
  }

  /** Until the tail holds what comes next. */
  private async *below(follower: Follower, tail: FeedTail): AsyncGenerator<FeedBatch> {
    const { signal, batchSize, categories, matches } = follower;
    const { store } = this.options.runtime;
    const batches = store.subscribe({ after: follower.position, categories, batchSize, signal });
    for await (const { events, checkpoint, resumed } of batches) {
      tail.assertGoesOn();
      if (resumed) await this.assertHeld(follower, signal);
      const marked = await this.mark(events);
      follower.position = checkpoint;
      follower.last = placeOf(marked) ?? follower.last;
      follower.silent += events.length;
      const asked = marked.filter(matches);
      if (asked.length > 0 || follower.silent >= SILENT_EVENTS) yield told(follower, asked, false);
      if (signal.aborted || tail.covers(follower.position)) return;
    }
    if (!signal.aborted) throw new OwlError('unavailable', 'the event store has ended; follow again later');
  }

  private followerOf(options: FollowOptions, signal: AbortSignal): Follower {
    const { after = START, field = 'after' } = options;
    const streams = options.streams && [...options.streams];
    const categories = options.categories ?? categoriesOf(streams) ?? this.options.categories;
    const unknown = categories.find((category) => !this.options.categories.includes(category));
    if (unknown !== undefined) {
      const there = this.options.categories.join(', ');
      throw new OwlError('invalid', `there is no category "${unknown}" to follow; there are ${there}`);
    }
    const { position, last } = readCursor(after, field);
    const { batchSize = BATCH } = options;
    const matches = matchesOf({ ...options, categories, streams });
    const asked = { after, categories, matches, batchSize, signal };
    return { position, last, heldAt: 0, toldCaughtUp: false, silent: 0, ...asked };
  }

  private assertHeld(place: FeedPlace, signal: AbortSignal): Promise<void> {
    const { runtime, clock } = this.options;
    return assertHeld({ store: runtime.store, clock }, place, signal);
  }

  private async mark(events: readonly RecordedEvent[]): Promise<readonly FeedEvent[]> {
    if (events.length === 0) return [];
    const problems = await this.options.runtime.unreadableIn(events);
    return events.map((event) => ({ event, problem: problems.get(event) }));
  }

  private join(): SharedTail {
    this.shared ??= this.shareTail();
    this.shared.followers += 1;
    return this.shared;
  }

  private leave(shared: SharedTail): void {
    shared.followers -= 1;
    if (shared.followers === 0) shared.ending.abort();
  }

  /** It reads on as long as somebody follows. Who comes after its end begins another. */
  private shareTail(): SharedTail {
    const ending = new AbortController();
    const shared = { tail: this.beginTail(ending.signal), ending, followers: 0 };
    const forget = () => {
      if (this.shared === shared) this.shared = undefined;
    };
    ending.signal.addEventListener('abort', forget, { once: true });
    shared.tail.then(
      async (tail) => {
        await tail.run(ending.signal);
        forget();
      },
      () => forget(),
    );
    return shared;
  }

  private async beginTail(signal: AbortSignal): Promise<FeedTail> {
    const { runtime, categories, bound = BOUND } = this.options;
    const { store } = runtime;
    const from = await store.head();
    const mark = (events: readonly RecordedEvent[]) => this.mark(events);
    const held = (place: FeedPlace) => this.assertHeld(place, signal);
    return new FeedTail({ store, categories, bound, from, mark, assertHeld: held });
  }
}

function told(follower: Follower, events: readonly FeedEvent[], caughtUp: boolean): FeedBatch {
  follower.silent = 0;
  follower.toldCaughtUp ||= caughtUp;
  const { last, after } = follower;
  return { events, cursor: last === undefined ? after : cursorBehind(last), caughtUp };
}

function categoriesOf(streams: readonly StreamName[] | undefined): readonly string[] | undefined {
  return streams && [...new Set(streams.map(categoryOf))];
}

interface Asked extends Pick<FollowOptions, 'types' | 'matches'> {
  readonly categories: readonly string[];
  readonly streams: readonly StreamName[] | undefined;
}

function matchesOf({ categories, streams, types, matches }: Asked): Matches {
  const [ofCategories, ofStreams, ofTypes] = [new Set(categories), setOf(streams), setOf(types)];
  return ({ event, problem }) => {
    const isThere = ofCategories.has(categoryOf(event.stream)) && ofStreams?.has(event.stream) !== false;
    if (!isThere || problem?.isBehind === false) return isThere;
    return ofTypes?.has(event.type) !== false && matches?.(event) !== false;
  };
}

function setOf(names: Iterable<string> | undefined): ReadonlySet<string> | undefined {
  return names && new Set(names);
}
