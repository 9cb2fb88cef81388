/**
 * Which of some events of the store nobody may go by (decision 0018), for those who follow it beside the read models.
 *
 * Guarantee: that is an event which can't be read, and every later one of its stream until it is mended, also for who begins
 * behind it and after a restart: the read models have the stream parked, so what is told here waits for them. Of a category that
 * no read model follows, only the event itself is known.
 */

import { DamagedStreamError } from '../../base/errors.js';
import {
  categoryOf,
  type EventStore,
  type RecordedEvent,
  type StreamName,
} from '../event-store/event-store.js';
import type { OwnWrites } from './own-writes.js';
import type { Projector } from './projector.js';

export interface UnreadableEventsOptions {
  /** Ends a stream at the first event that can't be read. */
  readonly store: Pick<EventStore, 'readStream'>;
  readonly projectors: readonly Projector[];
  readonly ownWrites: Pick<OwnWrites, 'shown'>;
  problemOf(event: RecordedEvent): string | undefined;
}

/** Why nobody may go by an event. */
export interface Unreadable {
  readonly reason: string;
  /** It can be read itself; one before it in its stream can't. */
  readonly isBehind: boolean;
}

const STREAMS_KNOWN = 1_000;

interface Problem {
  /** The first one that can't be read. */
  readonly revision: number;
  readonly message: string;
}

export class UnreadableEvents {
  private readonly options: UnreadableEventsOptions;
  /** Of streams that are parked for a fault of a read model: up to where they were found good, so that it isn't read again. */
  private readonly good = new Map<StreamName, number>();

  constructor(options: UnreadableEventsOptions) {
    this.options = options;
  }

  /**
   * Why, by event; the good ones are left out.
   * @param events in order, and each stream without a hole
   * @throws OwlError kind `unavailable` when the read models don't get to what can't be read
   */
  async in(events: readonly RecordedEvent[]): Promise<ReadonlyMap<RecordedEvent, Unreadable>> {
    const problems = new Map<RecordedEvent, Unreadable>();
    const streams = new Map<StreamName, Problem | undefined>();
    for (const event of events) {
      const { stream, revision } = event;
      if (!streams.has(stream)) streams.set(stream, await this.before(event));
      const known = streams.get(stream);
      const own = this.options.problemOf(event);
      if (own !== undefined && known === undefined) {
        await this.parked(event);
        streams.set(stream, { revision, message: own });
      }
      const reason = own ?? known?.message;
      if (reason !== undefined) problems.set(event, { reason, isBehind: own === undefined });
    }
    return problems;
  }

  /** What can't be read of its stream before it, as the read models know. */
  private async before({ stream, revision }: RecordedEvent): Promise<Problem | undefined> {
    const parked = this.readersOf(stream).flatMap(
      (projector) => projector.firstParked(stream)?.revision ?? [],
    );
    // Nearly always. What is parked may be so for a fault of a read model, which says nothing against the event.
    if (parked.length === 0) return undefined;
    const from = Math.max(Math.min(...parked), (this.good.get(stream) ?? -1) + 1);
    if (from >= revision) return undefined;
    try {
      const options = { from, limit: revision - from };
      for await (const event of this.options.store.readStream(stream, options)) this.note(event);
      return undefined;
    } catch (error) {
      if (!(error instanceof DamagedStreamError)) throw error;
      return { revision: error.revision, message: error.message };
    }
  }

  private note({ stream, revision }: RecordedEvent): void {
    if (!this.good.has(stream) && this.good.size >= STREAMS_KNOWN) this.good.clear();
    this.good.set(stream, revision);
  }

  private async parked({ stream, position }: RecordedEvent): Promise<void> {
    const readers = this.readersOf(stream);
    if (readers.length > 0) await this.options.ownWrites.shown(readers, position);
  }

  private readersOf(stream: StreamName): readonly Projector[] {
    const category = categoryOf(stream);
    return this.options.projectors.filter(({ categories }) => categories.includes(category));
  }
}
