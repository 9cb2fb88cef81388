/** What an event costs before it is stored: its JSON is made once where it has to be looked at, and else by whoever asks for it. */

import t, { type Test } from 'tap';
import { encodeEvent, LARGEST_EVENT } from '../../../src/runtime/event-store/append-check.js';
import type { JsonObject, ProposedEvent } from '../../../src/runtime/event-store/event-store.js';

const ID = '0b5c1c0e-8e6f-5d6a-9d3e-0f1e2d3c4b5a';

function eventOf(data: JsonObject): ProposedEvent {
  const metadata = { time: 1, $correlationId: ID, $causationId: ID, by: 'a test' };
  return { id: ID, type: 'Tested', version: 1, data, metadata };
}

/** How often JSON is made of anything until `work` has ended. */
function jsonMadeBy(t: Test, work: () => void): number {
  const calls = t.capture(JSON, 'stringify', JSON.stringify);
  try {
    work();
  } finally {
    calls.restore();
  }
  return calls().length;
}

t.test('of a flat event JSON is made only where somebody asks for it, and once', async (t) => {
  const flat = { text: 'ü"\u0000', number: -1.5, truth: true, nothing: null, none: undefined };
  // What is undefined is no JSON, and left out of it.
  const event = eventOf(Object.assign<JsonObject, object>({}, flat));
  const made = jsonMadeBy(t, () => encodeEvent('a-b', event));
  t.equal(made, 0);
  const encoded = encodeEvent('a-b', event);
  const asked = jsonMadeBy(t, () => {
    for (let i = 0; i < 3; i++) t.type(encoded.data + encoded.metadata, 'string');
  });
  t.equal(asked, 2, 'of data and of metadata');
  t.equal(encoded.data, JSON.stringify(flat));
  t.equal(encoded.metadata, JSON.stringify(event.metadata));
});

t.test(
  'of any other it is made at once, so that what has none is refused before anything is written',
  async (t) => {
    const nested = eventOf({ list: [1, { a: 'b' }] });
    t.equal(
      jsonMadeBy(t, () => encodeEvent('a-b', nested)),
      2,
    );
    t.equal(encodeEvent('a-b', nested).data, '{"list":[1,{"a":"b"}]}');
    const failing = class {
      readonly field = 'a text';
      toJSON(): never {
        throw new Error('has none');
      }
    };
    for (const data of [new failing(), { big: 1n }, { toJSON: () => BigInt(1) }])
      t.throws(
        () => encodeEvent('a-b', eventOf(Object.assign<JsonObject, object>(Object.create(data), data))),
        {
          kind: 'invalid',
          message: /has no JSON form/,
        },
      );
  },
);

t.test('a flat event that is too large as JSON is refused, however short its texts are', async (t) => {
  const most = '\u0000'.repeat(Math.ceil(LARGEST_EVENT / 6));
  t.throws(() => encodeEvent('a-b', eventOf({ most })), { kind: 'invalid', message: /characters of JSON/ });
  const fits = 'x'.repeat(LARGEST_EVENT / 2);
  t.equal(encodeEvent('a-b', eventOf({ fits })).data.length, fits.length + '{"fits":""}'.length);
});
