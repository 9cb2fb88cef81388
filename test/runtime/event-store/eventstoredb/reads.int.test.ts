/** Reads of EventStoreDB: over what passes, past what is no event of owl's, and of streams that were deleted. */

import t from 'tap';
import { CUT_OFF } from '../../../../src/runtime/event-store/event-store.js';
import {
  collect,
  follow,
  freshCategory,
  freshStream,
  idsOf,
  ofKind,
  propose,
  proposeMany,
  valuesOf,
} from '../../../support/events.js';
import { TransactionLog } from '../../../support/eventstoredb-node/transaction-log.js';
import { openStore, SHORT_DEADLINE_MS, startNode } from '../../../support/eventstoredb-stores.js';

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

await t.test('records of the server never come through, whatever is asked for', async (t) => {
  const node = await startNode(t, { log: new TransactionLog({ byCategory: true }) });
  const store = await openStore(t, node);
  const [gone, stream] = [freshStream(), freshStream()];
  await store.append(gone, 'noStream', proposeMany(1));
  const { events } = await store.append(stream, 'noStream', proposeMany(2));
  node.log.delete(gone, 'any');
  node.log.tombstone(gone, 'any');
  const all = await collect(store.readAll());
  t.ok(all.every((event) => !event.type.startsWith('$') && !event.stream.startsWith('$')));
  t.equal(all.length, 3);
  t.equal(await store.head(), events.at(-1)?.position, 'nor are they the head');
  const { events: subscribed } = await follow(store.subscribe(), ({ caughtUp }) => caughtUp);
  t.strictSame(idsOf(subscribed), idsOf(all));
});

await t.test('the last event is searched for behind statistics only once', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const writeStatistics = (count: number) => {
    for (let n = 0; n < count; n++) {
      const [data, metadata] = [Buffer.from('{}'), Buffer.from('')];
      const record = { id: crypto.randomUUID(), type: '$statsCollected', json: true, data, metadata };
      node.log.append('$stats-127.0.0.1:2113', 'any', [record]);
    }
  };
  const stream = freshStream();
  let { position } = await store.append(stream, 'noStream', proposeMany(1));
  t.equal(await store.head(), position);
  t.equal(node.faults.searches, 0, 'none at all where it is the last record');
  writeStatistics(100);
  for (let n = 0; n < 5; n++) t.equal(await store.head(), position);
  t.equal(node.faults.searches, 1);
  writeStatistics(5);
  t.equal(await store.head(), position);
  ({ position } = await store.append(stream, 0, proposeMany(1)));
  writeStatistics(5);
  t.equal(await store.head(), position, 'a newer one is found among them');
  t.equal(node.faults.searches, 1);
  writeStatistics(100);
  t.equal(await store.head(), position);
  t.equal(node.faults.searches, 2);
});

await t.test('events of other programs stop no reader', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const stream = freshStream();
  const foreign = (json: boolean, data: string, metadata: string) => ({
    id: crypto.randomUUID(),
    type: 'Foreign',
    json,
    data: Buffer.from(data),
    metadata: Buffer.from(metadata),
  });
  node.log.append(stream, 'any', [
    foreign(true, '{"n":1}', ''),
    foreign(false, '\u0001\u0002', '{"$correlationId":"c"}'),
    foreign(true, '[1]', 'no json'),
    foreign(true, '{"n":', '[]'),
  ]);
  const events = await collect(store.readStream(stream));
  t.strictSame(
    events.map(({ data }) => data),
    [
      { n: 1 },
      { base64: 'AQI=' },
      { base64: 'WzFd', metadata_base64: 'bm8ganNvbg==' },
      { base64: 'eyJuIjo=', metadata_base64: 'W10=' },
    ],
  );
  t.ok(
    events.every(({ version, metadata }) => version === 1 && Math.abs(metadata.time - Date.now()) < 60_000),
  );
  t.strictSame(
    events.map(({ damage }) => damage),
    [undefined, ...Array.from({ length: 3 }, () => 'its data is no JSON object')],
  );
  t.equal(events[1]?.metadata.$correlationId, 'c');
  t.equal(events[0]?.metadata.$causationId, events[0]?.id);
  t.strictSame(await collect(store.readAll()), events);
});

await t.test('reads go on over what passes within their deadline', async (t) => {
  const node = await startNode(t);
  const leader = await startNode(t, { log: node.log });
  const store = await openStore(t, node);
  const stream = freshStream();
  for (let n = 0; n < 1_500; n += 500) await store.append(stream, 'any', proposeMany(500, n));
  const read = async () => valuesOf(await collect(store.readStream(stream)));
  node.faults.busyCalls = 2;
  t.strictSame(await read(), upTo(1_500), 'a full queue');
  node.faults.dropAfter(600);
  t.strictSame(await read(), upTo(1_500), 'a dropped connection');
  node.faults.dropAfter(900);
  t.strictSame(
    valuesOf(await collect(store.readAll())),
    upTo(1_500),
    'a dropped connection, over all streams',
  );
  node.faults.leader = leader.address;
  t.strictSame(await read(), upTo(1_500), 'another leader');
  t.strictSame(valuesOf(await collect(store.readAll())), upTo(1_500), 'and all streams there');
});

await t.test('a read that gets no answer ends at its deadline', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node, { deadlineMs: SHORT_DEADLINE_MS });
  await store.append(freshStream(), 'noStream', proposeMany(1));
  node.faults.fallSilent();
  const started = Date.now();
  await t.rejects(collect(store.readStream(freshStream())), {
    name: 'StoreUnavailableError',
    message: /in time/,
  });
  await t.rejects(store.head(), { name: 'StoreUnavailableError' });
  t.ok(Date.now() - started < 20 * SHORT_DEADLINE_MS);
});

await t.test('large events come in pages of a bearable size', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const stream = freshStream();
  for (let n = 0; n < 12; n++) await store.append(stream, 'any', [propose({ n, text: 'x'.repeat(900_000) })]);
  t.strictSame(valuesOf(await collect(store.readStream(stream))), upTo(12));
  t.strictSame(
    valuesOf(await collect(store.readStream(stream, { direction: 'backwards', limit: 7 }))),
    upTo(12).reverse().slice(0, 7),
  );
});

await t.test('streams that somebody deleted or cut off', async (t) => {
  const deleted = (stream: string, message: RegExp) => ({
    name: 'DamagedStreamError',
    kind: 'refused',
    stream,
    revision: 0,
    message,
  });

  await t.test('are no empty ones, until they come back, with their revisions', async (t) => {
    const node = await startNode(t);
    const store = await openStore(t, node);
    const stream = freshStream();
    await store.append(stream, 'noStream', proposeMany(3));
    node.log.delete(stream, 'any');
    for (const direction of ['forwards', 'backwards'] as const) {
      await t.rejects(collect(store.readStream(stream, { direction })), deleted(stream, /it was deleted by/));
    }
    const { revision } = await store.append(stream, 'noStream', proposeMany(2));
    t.equal(revision, 4);
    t.strictSame(
      (await collect(store.readStream(stream))).map((event) => event.revision),
      [3, 4],
    );
  });

  await t.test('with a tombstone they are deleted for good and refuse appends', async (t) => {
    for (const without of [[], ['batchAppend']] as const) {
      const node = await startNode(t, { without });
      const store = await openStore(t, node);
      const [stream, other] = [freshStream(), freshStream()];
      await store.append(stream, 'noStream', proposeMany(2));
      node.log.tombstone(stream, 'any');
      const event = propose();
      await store.append(other, 'noStream', [event]);
      for (const direction of ['forwards', 'backwards'] as const) {
        await t.rejects(collect(store.readStream(stream, { direction })), deleted(stream, /for good/));
      }
      for (const expected of ['noStream', 1] as const) {
        await t.rejects(store.append(stream, expected, proposeMany(1)), ofKind('refused'));
      }
      const all = await collect(store.readAll());
      t.equal(all.length, 3, 'its events are still in the log, its tombstone is no event');
      t.equal(all.at(-1)?.id, event.id);
    }
  });

  await t.test('what is missing in them is still known to have been there', async (t) => {
    const node = await startNode(t);
    const store = await openStore(t, node);
    const ways = [
      (stream: string) => node.log.delete(stream, 'any'),
      (stream: string) => node.log.tombstone(stream, 'any'),
      (stream: string) => node.log.setMetadata(stream, { $tb: 2 }),
      (stream: string) => node.log.setMetadata(stream, { $tb: 9 }),
      (stream: string) => node.log.setMetadata(stream, { $maxCount: 1 }),
    ];
    for (const cut of ways) {
      const stream = freshStream();
      const { events } = await store.append(stream, 'noStream', proposeMany(3));
      cut(stream);
      const [first] = events;
      if (first === undefined) throw new Error('three were appended');
      t.equal(await store.holds(first), true, 'where it is cut off, this proves nothing else');
      t.equal(await store.holds({ ...first, stream: freshStream() }), false, 'of a stream that never was');
    }
    const stream = freshStream();
    const { events } = await store.append(stream, 'noStream', proposeMany(3));
    node.log.setMetadata(stream, { $tb: 2 });
    const [, , last] = events;
    if (last === undefined) throw new Error('three were appended');
    t.equal(await store.holds(last), true, 'what is not cut off is there');
    t.equal(await store.holds({ ...last, revision: 3 }), false, 'and what is behind the end is not');
  });

  await t.test('a subscription by category tells of it in its place, as long as it is so', async (t) => {
    const node = await startNode(t);
    const store = await openStore(t, node);
    const category = freshCategory();
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((id) => `${category}-${id}`);
    if (a === undefined || b === undefined || c === undefined || d === undefined)
      throw new Error('four names');
    for (const stream of [a, b, c, d]) await store.append(stream, 'noStream', proposeMany(3));
    node.log.delete(a, 'any');
    node.log.tombstone(b, 'any');
    node.log.setMetadata(c, { $tb: 2 });
    node.log.setMetadata(d, { $tb: 2 });
    node.log.setMetadata(d, {});
    node.log.setMetadata(`other${category}-x`, { $tb: 2 });
    const categories = [category];
    // What comes behind all of it: when that is there, so is everything that is to come.
    const last = `${category}-e`;
    await store.append(last, 'noStream', proposeMany(1));
    const { events } = await follow(store.subscribe({ categories }), (batch) =>
      batch.events.some(({ stream }) => stream === last),
    );
    t.match(events.slice(12, 15), [
      { type: CUT_OFF, stream: a, damage: /it was deleted by/ },
      { type: CUT_OFF, stream: b, damage: /deleted for good/ },
      { type: CUT_OFF, stream: c, damage: /before revision 2 were cut off/ },
    ]);
    t.equal(events.length, 16, 'nothing of what was undone, nor of other categories');
    t.equal((await collect(store.readAll({ categories }))).length, 13, 'a read gives events only');
  });
});
