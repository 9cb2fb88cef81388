/**
 * How much a reactor may hold in memory of what it has taken on.
 *
 * Guarantee: it is full at so many events, or where these are so large; one more is held then only of a stream whose turn it is.
 */

export interface RoomOptions {
  readonly events: number;
  /** Characters of JSON, about. */
  readonly size: number;
}

export class Room {
  private readonly options: RoomOptions;
  private events = 0;
  private size = 0;
  private wake: () => void = () => undefined;

  constructor(options: RoomOptions) {
    this.options = options;
  }

  get isFull(): boolean {
    return this.events >= this.options.events || this.size >= this.options.size;
  }

  take(size: number): void {
    this.events += 1;
    this.size += size;
  }

  giveBack(size: number): void {
    this.events -= 1;
    this.size -= size;
    if (!this.isFull) this.wake();
  }

  /** Resolves when it is not full, or the signal aborts. For one caller at a time. */
  async untilFree(signal: AbortSignal): Promise<void> {
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
}
