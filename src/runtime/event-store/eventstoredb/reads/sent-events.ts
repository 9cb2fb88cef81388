/**
 * The events that this process has sent, as they come back to it in the subscriptions of its readers.
 *
 * Guarantee: what is given for a record is what decoding it gives, for it is taken from here only where the record has the id,
 * the stream and the type of what was sent, and its data and metadata byte for byte. Whether and when the server has answered the
 * append is of no account, nor which store it is: an event that is as it was sent is that event wherever it stands.
 * What is remembered is bounded, the oldest goes first; what is not remembered is decoded.
 */

import type { EventMetadata, RecordedEvent } from '../../event-store.js';
import type { SentEvent } from '../appends/append-messages.js';
import type { RecordMessage } from '../connection/record-message.js';
import { decode } from './event-codec.js';

interface Remembered {
  readonly sent: SentEvent;
  readonly metadata: EventMetadata;
  /** Counts what was remembered. */
  readonly number: number;
  /** As it was given last: readers of one store share it. */
  given: RecordedEvent | undefined;
}

const MOST_EVENTS = 8_192;
const MOST_BYTES = 8 * 1024 * 1024;

export class SentEvents {
  private readonly mostEvents: number;
  private readonly mostBytes: number;
  private readonly byId = new Map<string, Remembered>();
  /** Ids in a ring, number n at n modulo its length: a map does not tell its oldest entry in constant time. */
  private readonly ids: (string | undefined)[];
  private oldest = 0;
  private next = 0;
  private bytes = 0;

  constructor(mostEvents = MOST_EVENTS, mostBytes = MOST_BYTES) {
    this.mostEvents = mostEvents;
    this.mostBytes = mostBytes;
    this.ids = new Array<string | undefined>(mostEvents).fill(undefined);
  }

  remember(sent: SentEvent): void {
    const { metadata } = sent;
    const { id, size } = sent.wire;
    this.forget(id);
    if (metadata === undefined) return;
    if (this.next - this.oldest === this.mostEvents) this.forgetOldest();
    const number = this.next++;
    this.ids[number % this.mostEvents] = id;
    this.byId.set(id, { sent, metadata, number, given: undefined });
    this.bytes += size;
    while (this.bytes > this.mostBytes) this.forgetOldest();
  }

  /** The event of a record. @throws CallError as `decode` */
  eventOf(record: RecordMessage): RecordedEvent {
    const remembered = record.id === undefined ? undefined : this.byId.get(record.id);
    const { position, revision } = record;
    if (remembered === undefined || position === undefined || !isAsSent(record, remembered.sent)) {
      return decode(record).event;
    }
    const { sent, metadata, given } = remembered;
    if (given?.position === position && given.revision === revision) return given;
    const { stream, version, data, wire } = sent;
    const { id, type } = wire;
    remembered.given = { position, stream, revision, id, type, version, data, metadata };
    return remembered.given;
  }

  private forgetOldest(): void {
    const number = this.oldest++;
    const id = this.ids[number % this.mostEvents];
    // Unless it was sent once more since.
    if (id !== undefined && this.byId.get(id)?.number === number) this.forget(id);
  }

  private forget(id: string): void {
    const remembered = this.byId.get(id);
    if (remembered === undefined) return;
    this.byId.delete(id);
    this.bytes -= remembered.sent.wire.size;
  }
}

function isAsSent(record: RecordMessage, { stream, wire }: SentEvent): boolean {
  return (
    record.stream === stream &&
    record.type === wire.type &&
    record.data.equals(wire.data) &&
    record.metadata.equals(wire.metadata)
  );
}
