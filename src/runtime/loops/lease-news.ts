/**
 * What other nodes record of the leases of loops, as it comes: so that one that was given back is taken at once. Whoever hears
 * nothing reads the store before it acts on that, so nothing rests on it that this tells late, or not at all.
 */

import type { Logger } from 'pino';
import { Backoff, orAborted, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import type { EventStore, Position, StreamName } from '../event-store/event-store.js';
import { type LeaseRecord, LOOP_LEASES, recordOf } from './lease-records.js';

export interface LeaseNewsOptions {
  readonly store: EventStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LeaseNews {
  private readonly options: LeaseNewsOptions;
  private readonly backoff = new Backoff({ longestMs: 2_000 });
  private readonly listeners = new Map<StreamName, (record: LeaseRecord) => void>();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(options: LeaseNewsOptions) {
    this.options = options;
  }

  /** There is one listener of a stream. */
  follow(stream: StreamName, listener: (record: LeaseRecord) => void): void {
    this.listeners.set(stream, listener);
    this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { clock, logger } = this.options;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await this.listen(await orAborted(this.options.store.head(), signal), signal);
      } catch (error) {
        logger.debug({ err: error }, 'nothing is heard of the leases of loops; listening again');
      }
      await wait(clock, this.backoff.next(), signal);
    }
  }

  private async listen(after: Position, signal: AbortSignal): Promise<void> {
    const categories = [LOOP_LEASES.category];
    for await (const { events, resumed } of this.options.store.subscribe({ after, categories, signal })) {
      // Positions may be others by now.
      if (resumed) return;
      this.backoff.reset();
      for (const event of events) {
        const record = recordOf(event);
        if (record !== undefined) this.listeners.get(event.stream)?.(record);
      }
    }
  }
}
