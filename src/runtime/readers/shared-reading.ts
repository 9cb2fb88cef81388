/**
 * One reading of the store for all readers that stand at its end: an event is fetched, decoded and checked once, however many
 * read models follow its category.
 *
 * Guarantees: each subscriber gets what the store itself would have given it, in order, with no gap and no duplicate; one that is
 * behind catches up by a subscription of its own and joins at the end; one that is slow holds up nobody, and when it is far behind,
 * in batches or in bytes, it is left out, catches up by itself and joins again; an interruption of the store is told to everyone, also to who was left
 * out meanwhile; without subscribers nothing is read; what everyone has been given is kept by nobody.
 */

import { orAborted } from '../../base/backoff.js';
import { delegating } from '../event-store/delegating-store.js';
import { mostBytes } from '../event-store/event-size.js';
import {
  categoryOf,
  type EventStore,
  type Position,
  type RecordedEvent,
  START,
  type SubscribeOptions,
  type SubscriptionBatch,
} from '../event-store/event-store.js';

/** Where the common reading was after one of its batches. */
interface Place {
  readonly number: number;
  /** Of all batches up to here. */
  readonly bytes: number;
  /** How many interruptions were told up to here. */
  readonly interruptions: number;
}

interface Kept {
  readonly batch: SubscriptionBatch;
  readonly place: Place;
}

interface Member {
  /** Behind what it was given last. Undefined when it was left out. */
  place: Place | undefined;
}

/** Who is more batches behind than this is left out, and who is more than a batch behind with so many bytes in them. */
const MOST_BEHIND = 16;
const MOST_BYTES_BEHIND = 64 * 1024 * 1024;

/**
 * The store, with subscriptions that share one reading as far as they ask for no more than these categories, and for no batches of
 * another size.
 * @param bytesBehind of the batches that one who is slow keeps at the most
 */
export function sharedReading(
  store: EventStore,
  categories: readonly string[],
  bytesBehind = MOST_BYTES_BEHIND,
): EventStore {
  const reading = new SharedReading(store, categories, bytesBehind);
  return delegating(store, { subscribe: (options) => reading.subscribe(options) });
}

class SharedReading {
  private readonly store: EventStore;
  private readonly categories: ReadonlySet<string>;
  private readonly bytesBehind: number;
  private subscribers = 0;
  private current: CommonReading | undefined;

  constructor(store: EventStore, categories: readonly string[], bytesBehind: number) {
    this.store = store;
    this.categories = new Set(categories);
    this.bytesBehind = bytesBehind;
  }

  subscribe(options: SubscribeOptions = {}): AsyncIterable<SubscriptionBatch> {
    const { categories, batchSize } = options;
    const isCommon = categories?.every((category) => this.categories.has(category)) ?? false;
    return isCommon && batchSize === undefined ? this.share(options) : this.store.subscribe(options);
  }

  private async *share(options: SubscribeOptions): AsyncGenerator<SubscriptionBatch> {
    this.subscribers += 1;
    const member: Member = { place: undefined };
    let reading: CommonReading | undefined;
    try {
      let position = options.after ?? START;
      for (let left: Place | undefined; ; ) {
        const before: CommonReading | undefined = reading;
        if (reading !== undefined) reading.leave(member);
        reading = this.common();
        // Its place is kept from before it catches up, so that it misses nothing between the two.
        const place = reading.enter(member);
        await reading.opened;
        if (left !== undefined && (before !== reading || left.interruptions !== place.interruptions))
          yield { events: [], checkpoint: position, caughtUp: false, resumed: true };
        let isAtEnd = false;
        for await (const batch of this.catchUp({ ...options, after: position })) {
          position = batch.checkpoint;
          isAtEnd = batch.caughtUp;
          yield batch;
        }
        if (!isAtEnd) return;
        left = place;
        for await (const given of reading.follow(member, position, options)) {
          left = member.place ?? left;
          position = given.checkpoint;
          yield given;
        }
        if (member.place !== undefined) return;
      }
    } finally {
      reading?.leave(member);
      this.subscribers -= 1;
      if (this.subscribers === 0) this.end();
    }
  }

  /** Up to where the store ends. What reached that has also passed what did not match. */
  private async *catchUp(options: SubscribeOptions): AsyncGenerator<SubscriptionBatch> {
    const head = await this.store.head();
    for await (const batch of this.store.subscribe(options)) {
      yield batch.caughtUp && batch.checkpoint < head ? { ...batch, checkpoint: head } : batch;
      if (batch.caughtUp) return;
    }
  }

  private common(): CommonReading {
    if (this.current === undefined || this.current.isOver)
      this.current = new CommonReading(this.store, [...this.categories], this.bytesBehind);
    return this.current;
  }

  private end(): void {
    this.current?.end();
    this.current = undefined;
  }
}

class CommonReading {
  /** It has failed, or the store is closed. */
  isOver = false;
  /** Resolves once it is known where it begins. @throws StoreUnavailableError */
  readonly opened: Promise<void>;
  private readonly ending = new AbortController();
  private readonly bytesBehind: number;
  private readonly source: AsyncIterator<SubscriptionBatch>;
  private readonly members = new Set<Member>();
  /**
   * What somebody has not been given yet, the oldest first. No chain from batch to batch: a generator that goes on for months keeps what
   * its variables once held, and of a chain with it all that came behind.
   */
  private readonly kept: Kept[] = [];
  private newest: Place = { number: 0, bytes: 0, interruptions: 0 };
  private reading: Promise<void> | undefined;

  constructor(store: EventStore, categories: readonly string[], bytesBehind: number) {
    this.bytesBehind = bytesBehind;
    const { signal } = this.ending;
    const head = store.head();
    this.source = (async function* () {
      yield* store.subscribe({ after: await head, categories, signal });
    })();
    this.opened = head.then(
      () => undefined,
      (error) => {
        this.isOver = true;
        throw error;
      },
    );
  }

  /** Keeps everything from here on for it. */
  enter(member: Member): Place {
    this.members.add(member);
    member.place = this.newest;
    return this.newest;
  }

  leave(member: Member): void {
    this.members.delete(member);
  }

  /** Everything behind `after`, until the signal aborts, the store is closed or the member is left out. */
  async *follow(
    member: Member,
    after: Position,
    { categories, signal }: SubscribeOptions,
  ): AsyncGenerator<SubscriptionBatch> {
    const wanted = new Set(categories);
    let position = after;
    while (member.place !== undefined) {
      if (member.place.number === this.newest.number) {
        if (this.isOver) return await this.reading;
        await this.more(signal);
        if (signal?.aborted === true) return;
        continue;
      }
      const next = this.give(member);
      const batch = next === undefined ? undefined : partOf(next, position, wanted);
      if (batch === undefined) continue;
      position = batch.checkpoint;
      yield batch;
      if (signal?.aborted === true) return;
    }
  }

  end(): void {
    this.isOver = true;
    this.ending.abort();
    // What it waits for ends with the signal, and what it has opened is released.
    this.source.return?.().catch(() => undefined);
  }

  /** Whoever has seen all there is reads on, for everyone. */
  private async more(signal: AbortSignal | undefined): Promise<void> {
    if (this.reading === undefined) {
      const reading = this.read();
      reading.catch(() => undefined);
      this.reading = reading;
    }
    if (signal === undefined) return await this.reading;
    await orAborted(this.reading, signal).catch((error) => {
      if (!signal.aborted) throw error;
    });
  }

  /** When it fails, that stays what everyone gets who comes to the end. */
  private async read(): Promise<void> {
    try {
      const { done, value } = await this.source.next();
      if (done === true) this.isOver = true;
      else this.add(value);
    } catch (error) {
      this.isOver = true;
      throw error;
    }
    this.reading = undefined;
  }

  /** What comes behind what it was given last. */
  private give(member: Member): SubscriptionBatch | undefined {
    const at = member.place?.number ?? this.newest.number;
    const next = this.kept[at - this.newest.number + this.kept.length];
    member.place = next?.place;
    return next?.batch;
  }

  private add(batch: SubscriptionBatch): void {
    const { number, bytes, interruptions } = this.newest;
    const place: Place = {
      number: number + 1,
      bytes: bytes + bytesOf(batch),
      interruptions: interruptions + (batch.resumed === true ? 1 : 0),
    };
    this.newest = place;
    this.kept.push({ batch, place });
    let oldest = place.number;
    for (const member of this.members)
      if (member.place === undefined || this.isFarBehind(member.place, place)) {
        member.place = undefined;
        this.members.delete(member);
      } else oldest = Math.min(oldest, member.place.number);
    while (this.kept[0] !== undefined && this.kept[0].place.number <= oldest) this.kept.shift();
  }

  /** @param at what it was given last, or is being given */
  private isFarBehind(at: Place, end: Place): boolean {
    const batches = end.number - at.number;
    return batches > MOST_BEHIND || (batches > 1 && end.bytes - at.bytes > this.bytesBehind);
  }
}

/** About: what keeping its events takes at the most. */
function bytesOf({ events }: SubscriptionBatch): number {
  return events.reduce((bytes, { data, metadata }) => bytes + mostBytes(data) + mostBytes(metadata), 0);
}

/** What of a batch is of interest to who has everything up to `after`; undefined when that is nothing, not even a checkpoint. */
function partOf(
  batch: SubscriptionBatch,
  after: Position,
  categories: ReadonlySet<string>,
): SubscriptionBatch | undefined {
  const { events, checkpoint, resumed } = batch;
  const isNew = checkpoint > after;
  if (!isNew && resumed !== true) return undefined;
  const isWanted = ({ position, stream }: RecordedEvent) =>
    position > after && categories.has(categoryOf(stream));
  const wanted = events.every(isWanted) ? events : events.filter(isWanted);
  return wanted === events && isNew
    ? batch
    : { ...batch, events: wanted, checkpoint: isNew ? checkpoint : after };
}
