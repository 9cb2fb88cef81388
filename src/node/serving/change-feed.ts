/**
 * Tells streams which rows of a read model have changed, after the change is in it. It conflates: whoever has to see every
 * event follows an event feed (event-feed.ts).
 *
 * Guarantees: a follower hears of every row that changed since it began to listen, at least once after its last change;
 * a slow follower is given each row once, however often it changed meanwhile, so what is kept for it is bounded by the
 * number of rows and it slows nobody down.
 */

import type { RecordedEvent } from '../../runtime/event-store/event-store.js';

/** @typeParam Key names a row; equal keys are the same row */
export class ChangeFeed<Key extends string | number> {
  private readonly keyOf: (event: RecordedEvent) => Key;
  private readonly followers = new Set<Follower<Key>>();
  private closed = false;

  /** @param keyOf which row an event changes */
  constructor(keyOf: (event: RecordedEvent) => Key) {
    this.keyOf = keyOf;
  }

  /** To be called with the events that were just applied to the read model. */
  publish(events: readonly RecordedEvent[]): void {
    if (this.followers.size === 0) return;
    const keys = new Set(events.map(this.keyOf));
    for (const follower of this.followers) follower.add(keys);
  }

  /** Ends every stream that follows, and those that begin to later. */
  close(): void {
    this.closed = true;
    for (const follower of this.followers) follower.end();
    this.followers.clear();
  }

  /** Listens from the moment of this call until the signal aborts. */
  follow(signal: AbortSignal): AsyncIterable<readonly Key[]> {
    const follower = new Follower<Key>();
    const leave = () => {
      this.followers.delete(follower);
      follower.end();
    };
    if (signal.aborted || this.closed) leave();
    else {
      this.followers.add(follower);
      signal.addEventListener('abort', leave, { once: true });
    }
    return follower.changes();
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
