/**
 * What a store holds, boiled down to a count and a hash per stream, so that two stores can be compared without having
 * both at hand. Guarantees: equal entries mean equal events, in the same order, in all that travels with an event (id, type,
 * version, data, metadata); where a store keeps them (positions) and in which order it writes an object's fields do not count.
 *
 * The hash of a stream is a chain, so the entry of its first n events is known on the way to the entry of all.
 */

import { hash } from 'node:crypto';
import { OwlError } from '../../base/errors.js';
import { canonicalJson } from './canonical.js';
import type { RecordedEvent, StreamName } from './event-store.js';

export interface StreamEntry {
  /** How many events it has. */
  readonly events: number;
  readonly digest: string;
}

export class Inventory {
  private readonly entries = new Map<StreamName, StreamEntry>();
  private counted = 0;

  /** Of all streams. */
  get events(): number {
    return this.counted;
  }

  get streams(): number {
    return this.entries.size;
  }

  /** It is the stream's next event: none before it is missing. */
  continues({ stream, revision }: RecordedEvent): boolean {
    return revision === this.of(stream).events;
  }

  /** Counts the stream's next event, and answers the entry of its events up to this one. */
  add(event: RecordedEvent): StreamEntry {
    const { stream, revision } = event;
    const { events, digest } = this.of(stream);
    if (!this.continues(event)) {
      throw new OwlError(
        'refused',
        `stream ${stream} has revision ${revision} where revision ${events} should be, so a part of it was deleted; a history can only be copied whole`,
      );
    }
    const entry = { events: events + 1, digest: extend(digest, event) };
    this.entries.set(stream, entry);
    this.counted += 1;
    return entry;
  }

  of(stream: StreamName): StreamEntry {
    return this.entries.get(stream) ?? NOTHING;
  }

  /** The first stream of this inventory that the other one has not, or has with fewer events. */
  streamBeyond(other: Inventory): StreamName | undefined {
    for (const [stream, { events }] of this.entries) {
      if (events > other.of(stream).events) return stream;
    }
    return undefined;
  }

  /** The first stream in which the two differ. */
  differenceFrom(other: Inventory): StreamName | undefined {
    for (const [stream, { events, digest }] of this.entries) {
      const there = other.of(stream);
      if (there.events !== events || there.digest !== digest) return stream;
    }
    return other.streamBeyond(this);
  }

  /** One hash of everything, in hex; the order of the streams does not count. */
  digest(): string {
    const lines = [...this.entries].map(([stream, { events, digest }]) => `${digest} ${events} ${stream}`);
    return hash('sha256', lines.sort().join('\n'), 'hex');
  }
}

const NOTHING: StreamEntry = { events: 0, digest: '' };

function extend(digest: string, { id, type, version, data, metadata }: RecordedEvent): string {
  return hash('sha256', `${digest}\n${canonicalJson([id, type, version, data, metadata])}`, 'base64');
}
