/**
 * Part of a test double of EventStoreDB: what readers see of its log. The server indexes a write once it is replicated, and
 * shows nothing before; its check of appends knows of it from the moment it is written. Usually both are the same
 * here; `lagMs` and `hold` part them.
 */

import type { LogRecord } from './log-record.js';

export class LogIndex {
  /** All that readers see, in order of position. */
  readonly records: LogRecord[] = [];
  /** Milliseconds from writing to indexing. */
  lagMs = 0;
  private readonly waiting: LogRecord[] = [];
  /** Positions at which records stood. */
  private readonly gaps = new Set<bigint>();
  private readonly listeners = new Set<() => void>();
  private held = false;

  /** Readers do not see it before it is indexed. */
  write(record: LogRecord): void {
    this.waiting.push(record);
  }

  /** Indexes what was written, when its time has come. */
  advance(): void {
    const count = this.indexed + this.waiting.length;
    if (this.lagMs === 0) this.indexUpTo(count);
    else setTimeout(() => this.indexUpTo(count), this.lagMs).unref();
  }

  /** Nothing more is indexed until `release`. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    this.indexUpTo(this.indexed + this.waiting.length);
  }

  has(position: bigint): boolean {
    const [next] = this.waiting;
    return (next === undefined || position < next.position) && !this.gaps.has(position);
  }

  /** Takes a record away for good, as a scavenge does with what is deleted or outdated; nothing moves into its place. */
  scavenge(record: LogRecord): void {
    const index = this.records.indexOf(record);
    if (index < 0) return;
    this.records.splice(index, 1);
    this.gaps.add(record.position);
  }

  /** A record stood there. */
  isGap(position: bigint): boolean {
    return this.gaps.has(position);
  }

  /** Resolves once readers see what stands at this position. */
  async until(position: bigint): Promise<void> {
    while (!this.has(position)) {
      await new Promise<void>((resolve) => {
        const stopListening = this.onMore(() => {
          stopListening();
          resolve();
        });
      });
    }
  }

  /** Calls back whenever readers see more; the returned function ends that. */
  onMore(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private get indexed(): number {
    return this.records.length + this.gaps.size;
  }

  private indexUpTo(count: number): void {
    const more = count - this.indexed;
    if (this.held || more <= 0) return;
    this.records.push(...this.waiting.splice(0, more));
    for (const listener of [...this.listeners]) listener();
  }
}
