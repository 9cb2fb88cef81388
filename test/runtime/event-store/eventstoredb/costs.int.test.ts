/** What an append to EventStoreDB costs while everything goes well, counted: nothing beside itself. */

import t from 'tap';
import { categoryOf, type EventStore } from '../../../../src/runtime/event-store/event-store.js';
import {
  collect,
  follow,
  freshCategory,
  freshStream,
  propose,
  proposeMany,
  valuesOf,
} from '../../../support/events.js';
import { openStore, startNode } from '../../../support/eventstoredb-stores.js';
import { ManualClock } from '../../../support/manual-clock.js';

const STREAMS = 50;
const APPENDS = 20;

/** Stands still, so that however long a test takes no answer is late, and counts the timers that were armed on it. */
class CountingClock extends ManualClock {
  armed = 0;

  override after(delayMs: number, run: () => void): () => void {
    this.armed += 1;
    return super.after(delayMs, run);
  }
}

t.test('1,000 appends at a revision: nothing is read, and hardly a timer is armed', async (t) => {
  const node = await startNode(t);
  // Deadlines of calls follow from it, so it begins in the present.
  const clock = new CountingClock(Date.now());
  const store = await openStore(t, node, { clock, deadlineMs: 600_000 });
  const streams = Array.from({ length: STREAMS }, () => freshStream());
  await Promise.all(streams.map((stream) => store.append(stream, 'noStream', proposeMany(1))));
  const before = { calls: node.calls, changes: node.changes, armed: clock.armed };
  await Promise.all(
    streams.map(async (stream) => {
      let revision = 0;
      for (let n = 0; n < APPENDS; n++) {
        // One event, and several of which nobody asks where each stands.
        const events = proposeMany(1 + (n % 3));
        ({ revision } = await store.append(stream, revision, events, { lastPositionOnly: true }));
      }
    }),
  );
  t.equal(node.changes - before.changes, STREAMS * APPENDS);
  t.equal(node.calls - before.calls, STREAMS * APPENDS, 'each append is one call, and nothing is read');
  t.ok(clock.armed - before.armed <= STREAMS, `${clock.armed - before.armed} timers`);
  t.equal((await collect(store.readStream(streams[0] ?? ''))).length, 1 + 39);
});

t.test('a stream that nobody has begun costs two reads, and beginning it one', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node, { clock: new CountingClock(Date.now()), deadlineMs: 600_000 });
  await store.head();
  const stream = freshStream();
  let { calls } = node;
  t.strictSame(await collect(store.readStream(stream)), []);
  t.equal(node.calls - calls, 2, 'whether it is there, and whether it was deleted');
  ({ calls } = node);
  await store.append(stream, 'noStream', proposeMany(1), { lastPositionOnly: true });
  t.equal(node.calls - calls, 2, 'the append, and a look whether another node was faster');
});

t.test('what a store has sent is not decoded when it comes back, for none of its readers', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const category = freshCategory();
  const [stream, other] = [freshStream(category), freshStream(category)];
  const first = proposeMany(1);
  await store.append(stream, 'noStream', first);
  await store.append(stream, 0, proposeMany(3, 1), { lastPositionOnly: true });
  await (await openStore(t, node)).append(other, 'noStream', [propose({ n: 4 })]);

  const parsed: string[] = [];
  const { parse } = JSON;
  t.teardown(() => {
    JSON.parse = parse;
  });
  JSON.parse = (text, reviver) => {
    parsed.push(text);
    return parse(text, reviver);
  };
  const followAll = () => follow(store.subscribe({ categories: [category] }), 5);
  const [one, another] = await Promise.all([followAll(), followAll()]);
  JSON.parse = parse;
  t.strictSame(valuesOf(one.events), [0, 1, 2, 3, 4]);
  t.equal(
    parsed.filter((text) => text.includes('"n":4')).length,
    2,
    'that of another one is, for each reader',
  );
  t.equal(parsed.filter((text) => /"n":[0-3]/.test(text)).length, 0);
  for (const [i, event] of one.events.slice(0, 4).entries())
    t.equal(another.events[i], event, 'they share one object');
  const stored = await collect(store.readStream(stream));
  t.strictSame(one.events.slice(0, 4), stored, 'which is as it is stored');
  t.not(one.events[0]?.data, first[0]?.data, 'and not that of the writer, who may do with it what he likes');
});

t.test('an event that is not as it was sent is decoded', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(2));
  const firstOf = async (of: EventStore) => {
    const { events } = await follow(of.subscribe({ categories: [categoryOf(stream)] }), 1);
    return events[0];
  };
  const asSent = await firstOf(store);
  // As a backup may hold it, in which another node has stored something else under the same id, or as it was damaged.
  const [zero] = node.log.readStream(stream);
  if (zero === undefined || typeof zero === 'string') throw new Error('two are stored');
  for (const [what, change] of [
    ['data', { data: Buffer.from('{"n":7}') }],
    ['metadata', { metadata: Buffer.from('{"time":7,"$correlationId":"a","$causationId":"b"}') }],
    ['type', { type: 'Renamed' }],
  ] as const) {
    const before = { ...zero };
    Object.assign(zero, change);
    const event = await firstOf(store);
    const fresh = await firstOf(await openStore(t, node));
    t.not(JSON.stringify(fresh), JSON.stringify(asSent));
    t.strictSame(event, fresh, `another ${what} is told as it is stored`);
    Object.assign(zero, before);
  }
});
