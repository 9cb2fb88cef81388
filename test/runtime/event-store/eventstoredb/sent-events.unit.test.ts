/** What a store remembers of the events it has sent: bounded, in number and in bytes. */

import t from 'tap';
import type { RecordMessage } from '../../../../src/runtime/event-store/eventstoredb/connection/record-message.js';
import { encode } from '../../../../src/runtime/event-store/eventstoredb/reads/event-codec.js';
import { SentEvents } from '../../../../src/runtime/event-store/eventstoredb/reads/sent-events.js';
import { propose } from '../../../support/events.js';

const POSITION = '7'.padStart(32, '0');

function sent(text: string) {
  const event = encode('c-1', propose({ text }), 'mark-1');
  const { id, type, data, metadata } = event.wire;
  const place = { stream: 'c-1', revision: 0, position: POSITION, created: '0' };
  // As the server sends it: in buffers of its own.
  const bytes = { data: Buffer.from(data), metadata: Buffer.from(metadata) };
  return { event, record: { ...place, id, type, ...bytes } satisfies RecordMessage };
}

t.test('what is remembered is given as it was sent, and to all the same', async (t) => {
  const events = new SentEvents();
  const { event, record } = sent('a');
  events.remember(event);
  const given = events.eventOf(record);
  t.equal(events.eventOf(record), given);
  t.equal(given.data, event.data);
  t.strictSame(given, new SentEvents().eventOf(record), 'as decoding gives it');
  const elsewhere = events.eventOf({ ...record, revision: 3 });
  t.equal(elsewhere.revision, 3, 'wherever it stands');
});

t.test('the oldest goes first, when there are too many or they are too large', async (t) => {
  const [a, b, c] = [sent('a'), sent('b'), sent('c'.repeat(1_000))];
  const isRemembered = (events: SentEvents, { event, record }: typeof a) =>
    events.eventOf(record).data === event.data;
  const few = new SentEvents(2);
  for (const { event } of [a, b, c]) few.remember(event);
  t.strictSame(
    [a, b, c].map((one) => isRemembered(few, one)),
    [false, true, true],
  );
  const small = new SentEvents(10, c.event.wire.size + b.event.wire.size);
  for (const { event } of [a, b, b, c]) small.remember(event);
  t.strictSame(
    [a, b, c].map((one) => isRemembered(small, one)),
    [false, true, true],
  );
  const tiny = new SentEvents(10, 1);
  tiny.remember(c.event);
  t.equal(isRemembered(tiny, c), false, 'one that is too large by itself as well');
});
