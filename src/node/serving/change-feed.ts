/**
 * Tells streams which rows of a read model have changed, after the change is in it. It conflates: whoever has to see every
 * event follows an event feed (event-feed.ts).
 *
 * Guarantees: a follower hears of every row that changed since it began to listen, at least once after its last change;
 * a slow follower is given each row once, however often it changed meanwhile, so what is kept for it is bounded by the
 * number of rows and it slows nobody down.
 */

import { OwlError } from '../../base/errors.js';
import type { RecordedEvent } from '../../runtime/event-store/event-store.js';

/** Each of them costs something with every change. */
const MOST_FOLLOWERS = 1_000;

/** @typeParam Key names a row; equal keys are the same row */
export class ChangeFeed<Key extends string | number> {
  private readonly keyOf: (event: RecordedEvent) => Key;
  private readonly concernOf: (key: Key) => string | undefined;
  private readonly most: number;
  private readonly followers = new Set<Follower<Key>>();
  /** Of those rows alone that concern somebody. */
  private readonly concerned = new Map<string, Set<Follower<Key>>>();
  private closed = false;

  /**
   * @param keyOf which row an event changes
   * @param concernOf whom a row concerns, for the life of the row; asked only while somebody follows what concerns him
   * @param most followers of all rows
   */
  constructor(
    keyOf: (event: RecordedEvent) => Key,
    concernOf: (key: Key) => string | undefined = () => undefined,
    most = MOST_FOLLOWERS,
  ) {
    this.keyOf = keyOf;
    this.concernOf = concernOf;
    this.most = most;
  }

  /** To be called with the events that were just applied to the read model. Wakes whom they concern, and nobody else. */
  publish(events: readonly RecordedEvent[]): void {
    if (this.followers.size === 0 && this.concerned.size === 0) return;
    const keys = new Set(events.map(this.keyOf));
    for (const follower of this.followers) follower.add(keys);
    if (this.concerned.size === 0) return;
    for (const key of keys) {
      const whom = this.concernOf(key);
      if (whom === undefined) continue;
      for (const follower of this.concerned.get(whom) ?? []) follower.add([key]);
    }
  }

  /** Ends every stream that follows, and those that begin to later. */
  close(): void {
    this.closed = true;
    for (const followers of [this.followers, ...this.concerned.values()])
      for (const follower of followers) follower.end();
    this.followers.clear();
    this.concerned.clear();
  }

  /**
   * Listens from the moment of this call until the signal aborts.
   * @param whom only rows that concern him; undefined: all rows
   * @throws OwlError kind `retryable` when too many follow all rows
   */
  follow(signal: AbortSignal, whom?: string): AsyncIterable<readonly Key[]> {
    const follower = new Follower<Key>();
    if (signal.aborted || this.closed) follower.end();
    else signal.addEventListener('abort', this.join(follower, whom), { once: true });
    return follower.changes();
  }

  /** @returns takes it away again */
  private join(follower: Follower<Key>, whom: string | undefined): () => void {
    if (whom === undefined && this.followers.size >= this.most)
      throw new OwlError('retryable', `${this.most} streams follow all changes already; follow later`);
    const joined = whom === undefined ? this.followers : (this.concerned.get(whom) ?? new Set());
    if (whom !== undefined) this.concerned.set(whom, joined);
    joined.add(follower);
    return () => {
      joined.delete(follower);
      if (whom !== undefined && joined.size === 0 && this.concerned.get(whom) === joined)
        this.concerned.delete(whom);
      follower.end();
    };
  }
}

class Follower<Key> {
  private changed = new Set<Key>();
  private ended = false;
  private wake: () => void = () => undefined;

  add(keys: Iterable<Key>): void {
    for (const key of keys) this.changed.add(key);
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async *changes(): AsyncGenerator<readonly Key[]> {
    while (!this.ended) {
      if (this.changed.size === 0) {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        continue;
      }
      const keys = [...this.changed];
      this.changed = new Set();
      yield keys;
    }
  }
}
