/** Nodes of EventStoreDB that answer but are not ready: they start, stop, elect a leader, or follow one. */

import t, { type Test } from 'tap';
import type { Availability } from '../../../../src/runtime/event-store/eventstoredb/connection/connection.js';
import { collect, freshCategory, freshStream, idsOf, proposeMany } from '../../../support/events.js';
import type { EventStoreDbNode, NodeOptions } from '../../../support/eventstoredb-node/node.js';
import { openStore, SHORT_DEADLINE_MS, startNode } from '../../../support/eventstoredb-stores.js';
import { until } from '../../../support/until.js';

const notReady = { name: 'StoreUnavailableError', outcome: 'refused', message: /not ready/ };
/** Longer than any test takes. */
const PATIENT_MS = 600_000;

/** A store that tells its availability, and who told it. */
async function openTelling(t: Test, node: EventStoreDbNode, deadlineMs: number) {
  const told: Availability[] = [];
  const store = await openStore(t, node, { deadlineMs, onAvailability: (news) => void told.push(news) });
  return { store, told };
}

const roads: readonly [road: string, options: NodeOptions][] = [
  ['batch append', {}],
  ['append', { without: ['batchAppend'] }],
];

for (const [road, options] of roads) {
  await t.test(`${road}: a node that is not ready any more is an outage, and is told as one`, async (t) => {
    const node = await startNode(t, options);
    const { store, told } = await openTelling(t, node, SHORT_DEADLINE_MS);
    const stream = freshStream();
    await store.append(stream, 'noStream', proposeMany(1));
    node.faults.leader = 'electing';
    await t.rejects(store.append(stream, 0, proposeMany(1)), notReady);
    await until('it is told', () => told.length === 2);
    t.match(told[1], { available: false, reason: /not ready/ });
    await t.rejects(store.head(), notReady);
    await t.rejects(store.append(stream, 0, proposeMany(1)), notReady);
    node.faults.leader = 'here';
    await until('it is told', () => told.length === 3);
    t.match(told[2], { available: true });
    t.equal((await store.append(stream, 0, proposeMany(1))).revision, 1);
    t.equal((await collect(store.readStream(stream))).length, 2, 'nothing of what was refused was stored');
  });

  await t.test(`${road}: appends that come meanwhile are stored when it is ready again`, async (t) => {
    for (const phase of ['electing', 'preparing'] as const) {
      const node = await startNode(t, options);
      const { store, told } = await openTelling(t, node, PATIENT_MS);
      const streams = Array.from({ length: 10 }, () => freshStream());
      await store.head();
      node.faults.leader = phase;
      const appends = streams.map((stream) => store.append(stream, 'noStream', proposeMany(2)));
      if (phase === 'electing') await until('the outage is told', () => told.at(-1)?.available === false);
      else {
        const { changes } = node;
        await until('they were sent again', () => node.changes > changes + streams.length);
        t.strictSame(
          await collect(store.readStream(freshStream())),
          [],
          'who is about to lead answers reads',
        );
      }
      node.faults.leader = 'here';
      const results = await Promise.all(appends);
      t.ok(results.every(({ revision, duplicate }) => revision === 1 && !duplicate));
    }
  });
}

await t.test(
  'a store that is opened while its node is not ready does not say that it is available',
  async (t) => {
    const node = await startNode(t);
    node.faults.leader = 'electing';
    const { store, told } = await openTelling(t, node, SHORT_DEADLINE_MS);
    await t.rejects(store.head(), notReady);
    t.match(told, [{ available: false, reason: /not ready/ }]);
    node.faults.leader = 'here';
    await until('it is told', () => told.length === 2);
    t.match(told[1], { available: true });
  },
);

await t.test('an idle store learns of it through its subscription', async (t) => {
  const node = await startNode(t);
  const { store, told } = await openTelling(t, node, SHORT_DEADLINE_MS);
  const abort = new AbortController();
  const ended = (async () => {
    for await (const _batch of store.subscribe({ categories: [freshCategory()], signal: abort.signal }));
  })();
  await until('it is connected', () => told.length === 1);
  node.faults.leader = 'electing';
  await until('it is told', () => told.length === 2);
  t.match(told[1], { available: false });
  abort.abort();
  await ended;
});

await t.test(
  'the one node of the connection string follows: the one that leads is taken at once',
  async (t) => {
    const node = await startNode(t);
    const leader = await startNode(t, { log: node.log });
    node.faults.leader = leader.address;
    const { store, told } = await openTelling(t, node, PATIENT_MS);
    const stream = freshStream();
    const { events } = await store.append(stream, 'noStream', proposeMany(2));
    t.strictSame(idsOf(await collect(store.readStream(stream))), idsOf(events));
    t.match(told, [{ available: true, reason: new RegExp(`:${leader.address.port}`) }]);
  },
);

await t.test(
  'two nodes that each name the other as the leader: unavailable, and no storm of connections',
  async (t) => {
    const [node, other] = [await startNode(t), await startNode(t)];
    node.faults.leader = other.address;
    other.faults.leader = node.address;
    const { store, told } = await openTelling(t, node, SHORT_DEADLINE_MS);
    await t.rejects(store.head(), { name: 'StoreUnavailableError', message: /no node leads/ });
    t.match(told, [{ available: false }]);
    t.ok(node.connections < 20, `${node.connections} connections`);
  },
);
