/**
 * The events that a reader has taken on and not yet done, and up to where all is done: the low-water mark.
 *
 * Guarantees: what lies at the low-water mark or before is done, and nothing that is under way is taken on twice, however often
 * it is given; it is as large as what is under way, however far that is behind.
 */

import { CUT_OFF, type EventPlace, type Position, type RecordedEvent } from '../event-store/event-store.js';

export interface WaterMark {
  readonly position: Position;
  /** The last event on the way there that a store can be asked for; undefined when none was taken since the window began. */
  readonly last: EventPlace | undefined;
}

export class Window {
  private readonly most: number;
  /** By the positions of what is under way, in order: up to where everything before it was taken on. */
  private readonly underWay = new Map<Position, WaterMark>();
  private newest: WaterMark;
  private wake: () => void = () => undefined;

  /** @param most so many events are under way before `room` waits */
  constructor(after: Position, most: number) {
    this.most = most;
    this.newest = { position: after, last: undefined };
  }

  /** Everything up to here was taken on. */
  get taken(): WaterMark {
    return this.newest;
  }

  /** Everything up to here is done. */
  get low(): WaterMark {
    const [first = this.newest] = this.underWay.values();
    return first;
  }

  get isEmpty(): boolean {
    return this.underWay.size === 0;
  }

  get isFull(): boolean {
    return this.underWay.size >= this.most;
  }

  /** False when it was taken on before. */
  take(event: RecordedEvent): boolean {
    const { position, stream, revision, id, type } = event;
    const { newest } = this;
    if (position <= newest.position) return false;
    this.underWay.set(position, newest);
    this.newest = { position, last: type === CUT_OFF ? newest.last : { position, stream, revision, id } };
    return true;
  }

  /** There is nothing of interest up to this position. */
  pass(position: Position): void {
    if (position > this.newest.position) this.newest = { position, last: this.newest.last };
  }

  done({ position }: RecordedEvent): void {
    this.underWay.delete(position);
    if (!this.isFull) this.wake();
  }

  /** Resolves when more may be taken on, or the signal aborts. For one caller at a time. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.isFull && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.wake = wake;
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /** What was passed over behind the last event says nothing about another history. */
  forgetPassed(): void {
    const { last } = this.newest;
    if (last !== undefined) this.newest = { position: last.position, last };
  }
}
