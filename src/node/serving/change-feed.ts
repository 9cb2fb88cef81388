/**
 * Tells streams which tasks have changed, after the change is in `plot_tasks`.
 *
 * Guarantees: a follower hears of every task that changed since it began to listen, at least once after its last change;
 * a slow follower is given each task once, however often it changed meanwhile, so what is kept for it is bounded by the
 * number of tasks and it slows nobody down.
 */

import type { RecordedEvent } from '../../runtime/event-store/event-store.js';
import { idOf } from '../../runtime/event-store/event-store.js';

export class TaskFeed {
  private readonly followers = new Set<Follower>();
  private closed = false;

  /** To be called with the events that were just applied to the read model. */
  publish(events: readonly RecordedEvent[]): void {
    if (this.followers.size === 0) return;
    const taskIds = new Set(events.map(({ stream }) => idOf(stream)));
    for (const follower of this.followers) follower.add(taskIds);
  }

  /** Ends every stream that follows, and those that begin to later. */
  close(): void {
    this.closed = true;
    for (const follower of this.followers) follower.end();
    this.followers.clear();
  }

  /** Listens from the moment of this call until the signal aborts. */
  follow(signal: AbortSignal): AsyncIterable<readonly string[]> {
    const follower = new Follower();
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

class Follower {
  private changed = new Set<string>();
  private ended = false;
  private wake: () => void = () => undefined;

  add(taskIds: Iterable<string>): void {
    for (const taskId of taskIds) this.changed.add(taskId);
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async *changes(): AsyncGenerator<readonly string[]> {
    while (!this.ended) {
      if (this.changed.size === 0) {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        continue;
      }
      const taskIds = [...this.changed];
      this.changed = new Set();
      yield taskIds;
    }
  }
}
