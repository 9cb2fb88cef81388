/**
 * Where the event store ended when this node began with it: what was stored before is to be in the read models before
 * queries are answered.
 *
 * Guarantee: a store that is away is asked until it tells, and one that turns out to be another is asked again.
 */

import type { Logger } from 'pino';
import { Backoff, type BackoffOptions, orAborted } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { isTransient } from '../../base/failure-kinds.js';
import { retry } from '../../base/repeat.js';
import type { EventStore, Position } from '../event-store/event-store.js';

export interface InheritedEndOptions {
  readonly store: EventStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backoff: BackoffOptions;
  /** Nobody asks any more once it aborts. */
  readonly signal: AbortSignal;
}

export class InheritedEnd {
  private readonly options: InheritedEndOptions;
  private end: Position | undefined;
  private learning: Promise<unknown> = Promise.resolve();
  private isAnew = false;

  constructor(options: InheritedEndOptions) {
    this.options = options;
  }

  /** Undefined as long as the store was not there to say so. */
  get position(): Position | undefined {
    return this.end;
  }

  /** Asks once; a store that is away is asked further, and not waited for. @throws what isn't transient */
  async begin(): Promise<void> {
    try {
      this.end = await this.options.store.head();
    } catch (error) {
      if (!isTransient(error)) throw error;
      this.options.logger.warn({ err: error }, 'the event store is away; this node starts without it');
      this.learning = this.learn();
    }
  }

  /** What it was told is of another store. */
  beginAnew(): void {
    this.end = undefined;
    this.isAnew = true;
    this.learning = Promise.all([this.learning, this.learn()]);
  }

  /** Waits for a store that turned out to be another, but not for one that is away. @throws the signal's reason */
  async known(signal: AbortSignal): Promise<Position | undefined> {
    if (this.isAnew) await orAborted(this.learning, signal);
    return this.end;
  }

  /** Resolves once the store has told, or nobody asks any more. */
  async learnt(): Promise<void> {
    await this.learning;
  }

  private async learn(): Promise<void> {
    const { store, clock, logger, signal } = this.options;
    const backoff = new Backoff(this.options.backoff);
    const failed = (error: unknown) => logger.debug({ err: error }, 'the event store is still away');
    await retry({ clock, backoff, signal, failed }, async () => {
      this.end = await store.head();
      this.isAnew = false;
    });
  }
}
