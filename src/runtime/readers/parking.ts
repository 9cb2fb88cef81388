/**
 * What a reader does with an event that it can't take: a projection and a reactor the same.
 *
 * Guarantee: of each stream they are kept and driven again in order. As long as one event of a stream is parked, the
 * later ones of that stream are parked behind it, so nothing is ever built on a hole.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type { RecordedEvent, StreamName } from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import type { ParkedEvent, ParkedEvents } from './parked-events.js';

export interface ParkingOptions {
  /** The table. */
  readonly events: ParkedEvents;
  /** Whose they are, in the table. */
  readonly reader: string;
  /** Whose they are, in the log. */
  readonly named: { readonly projection: string } | { readonly reactor: string };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle?: LifeCycle | undefined;
  /** Why this event can't be read, if so: it is parked without being tried. */
  readonly problemOf?: ((event: RecordedEvent) => string | undefined) | undefined;
}

export class Parking {
  private readonly options: ParkingOptions;
  /**
   * Those with parked events, so that there is no query for each event of the others. May name too many: the table decides,
   * since events are driven again elsewhere.
   */
  private streams: Set<StreamName> = new Set();

  constructor(options: ParkingOptions) {
    this.options = options;
  }

  /** Reads anew what other processes may have changed. */
  load(): void {
    const { events, reader } = this.options;
    this.streams = new Set(events.streams(reader));
  }

  /** What the stream's next event has to wait for; undefined when it need not. */
  first(stream: StreamName): ParkedEvent | undefined {
    if (this.streams.size === 0 || !this.streams.has(stream)) return undefined;
    const { events, reader } = this.options;
    const first = events.first(reader, stream);
    if (first === undefined) this.streams.delete(stream);
    return first;
  }

  /** Parks an event that nobody can read, or that stands behind a parked one of its stream. False when it is to be tried. */
  parkUntried(event: RecordedEvent): boolean {
    const problem = this.problemOf(event);
    const reason = problem ?? this.reasonToWait(event.stream);
    if (reason === undefined) return false;
    this.park(event, reason, problem === undefined ? 0 : 1);
    return true;
  }

  /** @param attempts how often it was tried */
  park(event: RecordedEvent, error: string, attempts: number): void {
    const { events, reader, named, clock, logger, lifeCycle } = this.options;
    this.streams.add(event.stream);
    if (!events.add(reader, event, { error, attempts, parkedAt: clock.now() })) return;
    const { stream, revision, type, position } = event;
    logger.error({ ...named, stream, revision, type, position, attempts, reason: error }, 'event parked');
    if (lifeCycle?.wants('event parked'))
      lifeCycle.tell({ type: 'event parked', reader, stream, event: type, reason: error });
  }

  problemOf(event: RecordedEvent): string | undefined {
    return this.options.problemOf?.(event);
  }

  /** Inside the transaction of what was made of the event. False when it was no longer parked. */
  remove(event: RecordedEvent): boolean {
    return this.options.events.remove(this.options.reader, event.position);
  }

  /** In order of position. */
  list(limit: number): readonly ParkedEvent[] {
    return this.options.events.list(this.options.reader, limit);
  }

  count(): number {
    return this.options.events.count(this.options.reader);
  }

  private reasonToWait(stream: StreamName): string | undefined {
    const first = this.first(stream);
    return first && `waits behind revision ${first.revision} of its stream, which is parked: ${first.error}`;
  }
}
