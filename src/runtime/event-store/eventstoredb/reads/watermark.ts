/**
 * The newest position of an event that this process has seen in the store, however it came by it. It only grows, unless the
 * store turns out to end before it, which one does that came from a backup.
 */

import { type Position, START } from '../../event-store.js';

export class Watermark {
  private readonly listeners = new Set<() => void>();
  private newest: Position = START;

  get position(): Position {
    return this.newest;
  }

  raise(position: Position): void {
    if (position <= this.newest) return;
    this.newest = position;
    for (const listener of this.listeners) listener();
  }

  /** What was seen behind this position is no longer there. */
  lower(position: Position): void {
    this.newest = position;
  }

  /** Calls back whenever it has grown; the returned function ends that. */
  onRaise(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
