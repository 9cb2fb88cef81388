/** Checksums of events in EventStoreDB: bits of records, turned over on the server, and records that have none. */

import t from 'tap';
import { collect, follow, freshStream, propose } from '../../../support/events.js';
import { openStore, startNode } from '../../../support/eventstoredb-stores.js';
import { randomFrom } from '../../../support/random.js';

const FLIPS = 200;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');

await t.test(`${FLIPS} flips in data and metadata`, async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const stream = freshStream();
  const { events } = await store.append(stream, 'noStream', [
    propose({ z: 1.5, a: 'text', deep: [{ b: null, a: true }] }),
    propose({ n: 1 }, { version: 3 }),
  ]);
  const [record, other] = node.log.records.filter(({ type }) => !type.startsWith('$'));
  if (record === undefined || other === undefined) throw new TypeError('they are not there');
  const random = randomFrom(11);
  const outcomes = { damaged: 0, same: 0 };
  const names = /"\$(append|checksum)":/;
  for (let n = 0; n < FLIPS; n++) {
    const part = n % 3 === 0 ? record.data : record.metadata;
    const [byte, bit] = [Math.floor(random() * part.length), Math.floor(random() * 8)];
    const was = part[byte] ?? 0;
    part[byte] = was ^ (1 << bit);
    const [read, neighbour] = await collect(store.readStream(stream));
    if (read?.damage !== undefined) outcomes.damaged++;
    else {
      outcomes.same++;
      // Which append wrote it is no content; a name of these two that is another one is one more field of the metadata.
      const metadata = text(record.metadata);
      t.ok(part === record.metadata && (!names.test(metadata) || metadata.includes('$append')), metadata);
      t.strictSame(read?.data, events[0]?.data);
    }
    t.strictSame(neighbour, events[1]);
    part[byte] = was;
  }
  t.comment(JSON.stringify(outcomes));
  t.ok(outcomes.damaged > 0.7 * FLIPS);
  t.strictSame(await collect(store.readStream(stream)), events);
});

await t.test(
  'a subscription gives the damage, and a record without a checksum is read as it is',
  async (t) => {
    const node = await startNode(t);
    const store = await openStore(t, node);
    const stream = freshStream();
    const { events } = await store.append(stream, 'noStream', [propose({ n: 1 }), propose({ n: 2 })]);
    const [first, second] = node.log.records.filter(({ type }) => !type.startsWith('$'));
    if (first === undefined || second === undefined) throw new TypeError('they are not there');
    const { $checksum, ...before } = JSON.parse(text(second.metadata));
    t.type($checksum, 'number');
    Object.assign(second, { metadata: Buffer.from(JSON.stringify(before)) });
    first.data.set(Buffer.from('{"n":7}'));
    const { events: given } = await follow(store.subscribe(), 2);
    t.match(given[0], {
      damage: /checksum is not that of what is stored/,
      data: { base64: Buffer.from(first.data).toString('base64') },
    });
    t.strictSame(given[1], events[1]);
  },
);

await t.test('metadata that a node of before has read keeps no field of the record', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const stream = freshStream();
  const event = propose({ n: 1 });
  const read = { ...event, metadata: { ...event.metadata, $checksum: 7 } };
  await store.append(stream, 'noStream', [read]);
  t.match(await collect(store.readStream(stream)), [{ ...event, damage: undefined }]);
});
