/** A cluster of EventStoreDB nodes: who leads is found out, and found out again when it changes. */

import t, { type Test } from 'tap';
import { collect, freshStream, proposeMany, valuesOf } from '../../../support/events.js';
import type { EventStoreDbNode } from '../../../support/eventstoredb-node/node.js';
import { TransactionLog } from '../../../support/eventstoredb-node/transaction-log.js';
import { openStore, SHORT_DEADLINE_MS, startNode } from '../../../support/eventstoredb-stores.js';
import { until } from '../../../support/until.js';

async function startCluster(t: Test): Promise<[EventStoreDbNode, EventStoreDbNode, EventStoreDbNode]> {
  const log = new TransactionLog();
  const start = () => startNode(t, { log });
  return [await start(), await start(), await start()];
}

/** Makes one node the leader that all the others name, in gossip and in refusals. */
function elect(
  leader: EventStoreDbNode,
  nodes: readonly EventStoreDbNode[],
  dead: readonly EventStoreDbNode[] = [],
) {
  for (const node of nodes) {
    node.faults.leader = node === leader ? 'here' : leader.address;
    node.members = nodes.map((member) => ({
      ...member.address,
      state: member === leader ? 'leader' : 'follower',
      alive: !dead.includes(member),
    }));
  }
}

/** No node knows of a leader. */
function beginElection(nodes: readonly EventStoreDbNode[], dead: readonly EventStoreDbNode[] = []) {
  for (const node of nodes) {
    node.faults.leader = 'electing';
    node.members = [...nodes, ...dead].map((member) => ({
      ...member.address,
      state: 'unknown',
      alive: !dead.includes(member),
    }));
  }
}

const seeds = (nodes: readonly EventStoreDbNode[]) =>
  `esdb://${nodes.map(({ address }) => `${address.host}:${address.port}`).join(',')}?tls=false`;

await t.test('the leader is found through any node, though others are down', async (t) => {
  const nodes = await startCluster(t);
  const [first, second, third] = nodes;
  elect(third, nodes);
  await first.stop();
  const store = await openStore(t, { connectionString: seeds([first, second]) });
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(2));
  t.equal(second.calls, 0, 'who does not lead was only asked who does');
  t.equal((await collect(store.readStream(stream))).length, 2);
});

await t.test('esdb+discover asks the one name it is given', async (t) => {
  const nodes = await startCluster(t);
  elect(nodes[1], nodes);
  const { host, port } = nodes[0].address;
  const store = await openStore(t, { connectionString: `esdb+discover://${host}:${port}?tls=false` });
  await store.append(freshStream(), 'noStream', proposeMany(1));
  t.equal(nodes[0].calls, 0);
});

await t.test('the leader dies: nobody leads for a while, then the next one is found', async (t) => {
  const nodes = await startCluster(t);
  const [first, second, third] = nodes;
  elect(first, nodes);
  const told: boolean[] = [];
  const store = await openStore(
    t,
    { connectionString: seeds(nodes) },
    { deadlineMs: SHORT_DEADLINE_MS, onAvailability: ({ available }) => void told.push(available) },
  );
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(1));
  await first.stop();
  beginElection([second, third], [first]);
  await until('the outage is told', () => told.at(-1) === false);
  await t.rejects(store.append(stream, 0, proposeMany(1, 1)), {
    name: 'StoreUnavailableError',
    outcome: 'refused',
    message: /no node leads/,
  });
  await t.rejects(store.head(), { name: 'StoreUnavailableError' });
  elect(second, [second, third]);
  second.faults.leader = 'preparing';
  await until('the next one is found', () => told.at(-1) === true);
  await t.rejects(store.append(stream, 0, proposeMany(1, 1)), {
    name: 'StoreUnavailableError',
    outcome: 'refused',
    message: /not ready/,
  });
  second.faults.leader = 'here';
  await store.append(stream, 0, proposeMany(1, 1));
  t.strictSame(valuesOf(await collect(store.readStream(stream))), [0, 1]);
});

await t.test('a leader that still lives is no leader while another one is elected', async (t) => {
  const nodes = await startCluster(t);
  const [first, second] = nodes;
  elect(first, nodes);
  const store = await openStore(t, { connectionString: seeds(nodes) });
  const streams = Array.from({ length: 10 }, () => freshStream());
  for (const stream of streams) await store.append(stream, 'noStream', proposeMany(1));
  beginElection(nodes);
  const appends = streams.map((stream) => store.append(stream, 0, proposeMany(1, 1)));
  await until('the nodes were asked who leads', () => first.gossips > 1);
  elect(second, nodes);
  t.ok((await Promise.all(appends)).every(({ revision, duplicate }) => revision === 1 && !duplicate));
});

await t.test('appends under way while the leader changes are all stored, once', async (t) => {
  const nodes = await startCluster(t);
  const [first, second] = nodes;
  elect(first, nodes);
  const store = await openStore(t, { connectionString: seeds(nodes) });
  const streams = Array.from({ length: 40 }, () => freshStream());
  await store.append(freshStream(), 'noStream', proposeMany(1));
  for (let n = 0; n < 6; n++) {
    const appends = streams.map((stream) =>
      store.append(stream, n === 0 ? 'noStream' : n - 1, proposeMany(1, n)),
    );
    elect(n % 2 === 0 ? second : first, nodes);
    const results = await Promise.all(appends);
    t.ok(results.every(({ revision, duplicate }) => revision === n && !duplicate));
  }
  for (const stream of streams) {
    t.strictSame(valuesOf(await collect(store.readStream(stream))), [0, 1, 2, 3, 4, 5]);
  }
});

await t.test(
  'nobody leads: calls fail at their deadline and say so, and go on once somebody does',
  async (t) => {
    const nodes = await startCluster(t);
    for (const node of nodes) node.members = [];
    const store = await openStore(t, { connectionString: seeds(nodes) }, { deadlineMs: SHORT_DEADLINE_MS });
    await t.rejects(store.append(freshStream(), 'noStream', proposeMany(1)), {
      name: 'StoreUnavailableError',
      outcome: 'refused',
      message: /no node leads/,
    });
    elect(nodes[2], nodes);
    await until('an append goes through', () =>
      store.append(freshStream(), 'noStream', proposeMany(1)).then(
        () => true,
        () => false,
      ),
    );
  },
);
