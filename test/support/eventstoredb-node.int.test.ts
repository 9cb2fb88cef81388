/**
 * The protocol node, as EventStoreDB's own client sees it: what the two agree on is the protocol, not a dialect of the
 * adapter. The expectations are those of the server's documentation and source.
 */

import {
  type EventStoreDBClient as Client,
  ErrorType,
  EventStoreDBClient,
  eventTypeFilter,
  type JSONEventData,
  jsonEvent,
  streamNameFilter,
} from '@eventstore/db-client';
import t, { type Test } from 'tap';
import type { EventStoreDbNode, NodeOptions } from './eventstoredb-node/node.js';
import { TransactionLog } from './eventstoredb-node/transaction-log.js';
import { startNode } from './eventstoredb-stores.js';
import { until } from './until.js';

async function connect(t: Test, options?: NodeOptions): Promise<{ client: Client; node: EventStoreDbNode }> {
  const node = await startNode(t, options);
  // It closes no channel of its own; the node's end of it goes when the node stops.
  const client = EventStoreDBClient.connectionString(node.connectionString);
  t.teardown(() => client.dispose());
  return { client, node };
}

const some = (count: number, type = 'Happened'): JSONEventData[] =>
  Array.from({ length: count }, (_, n) => jsonEvent({ type, data: { n } }));

async function revisionsOf(client: Client, stream: string, direction: 'forwards' | 'backwards' = 'forwards') {
  const fromRevision = direction === 'forwards' ? 'start' : 'end';
  const revisions: number[] = [];
  for await (const { event } of client.readStream(stream, { direction, fromRevision })) {
    revisions.push(Number(event?.revision));
  }
  return revisions;
}

const roads = [
  ['batch append', {}],
  ['append', { without: ['batchAppend'] }],
] as const satisfies readonly (readonly [string, NodeOptions])[];

for (const [road, options] of roads) {
  await t.test(`${road}: expected revisions`, async (t) => {
    const { client } = await connect(t, options);
    const first = await client.appendToStream('a-1', some(3), { expectedRevision: 'no_stream' });
    t.equal(first.nextExpectedRevision, 2n);
    t.ok((first.position?.commit ?? 0n) > 0n);
    t.equal((await client.appendToStream('a-1', some(1), { expectedRevision: 2n })).nextExpectedRevision, 3n);
    t.equal(
      (await client.appendToStream('a-1', some(1), { expectedRevision: 'any' })).nextExpectedRevision,
      4n,
    );
    const exists = { expectedRevision: 'stream_exists' } as const;
    t.equal((await client.appendToStream('a-1', some(1), exists)).nextExpectedRevision, 5n);
    for (const expectedRevision of ['no_stream', 0n, 9n] as const) {
      await t.rejects(
        client.appendToStream('a-1', some(1), { expectedRevision }),
        ofType(ErrorType.WRONG_EXPECTED_VERSION, {
          streamName: 'a-1',
          expectedVersion: expectedRevision,
          actualVersion: 5n,
        }),
      );
    }
    await t.rejects(
      client.appendToStream('a-2', some(1), exists),
      ofType(ErrorType.WRONG_EXPECTED_VERSION, { actualVersion: 'no_stream' }),
    );
    t.strictSame(await revisionsOf(client, 'a-1'), [0, 1, 2, 3, 4, 5]);
    t.strictSame(await revisionsOf(client, 'a-1', 'backwards'), [5, 4, 3, 2, 1, 0]);
  });

  await t.test(`${road}: the same append again`, async (t) => {
    const { client, node } = await connect(t, options);
    const events = some(2);
    const first = await client.appendToStream('a-1', events, { expectedRevision: 'no_stream' });
    await client.appendToStream('a-1', some(2), { expectedRevision: 1n });
    t.strictSame(await client.appendToStream('a-1', events, { expectedRevision: 'no_stream' }), first);
    t.strictSame(await client.appendToStream('a-1', events.slice(0, 1), { expectedRevision: 'no_stream' }), {
      ...first,
      nextExpectedRevision: 0n,
      position: first.position && {
        commit: node.log.records.at(-4)?.position,
        prepare: node.log.records.at(-4)?.position,
      },
    });
    const partly = [...events, ...some(1)];
    await t.rejects(
      client.appendToStream('a-1', partly, { expectedRevision: 'no_stream' }),
      ofType(ErrorType.WRONG_EXPECTED_VERSION, { actualVersion: 3n }),
    );
    await t.rejects(
      client.appendToStream('a-1', partly, { expectedRevision: 'any' }),
      ofType(ErrorType.WRONG_EXPECTED_VERSION),
    );
    t.strictSame(
      await client.appendToStream('a-1', events, { expectedRevision: 'any' }),
      first,
      'any, from memory',
    );
    t.strictSame(await revisionsOf(client, 'a-1'), [0, 1, 2, 3]);
    const elsewhere = await client.appendToStream('a-2', events, { expectedRevision: 'any' });
    t.equal(elsewhere.nextExpectedRevision, 1n, 'in another stream they are other events');
  });

  await t.test(`${road}: more than the server takes`, async (t) => {
    const { client } = await connect(t, { ...options, maxAppendSize: 1_000 });
    const large = jsonEvent({ type: 'Large', data: { text: 'x'.repeat(1_000) } });
    await t.rejects(
      client.appendToStream('a-1', large),
      ofType(ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED, { maxAppendSize: 1_000 }),
    );
  });

  await t.test(`${road}: streams with a tombstone`, async (t) => {
    const { client } = await connect(t, options);
    await client.appendToStream('a-1', some(1));
    await client.tombstoneStream('a-1');
    await t.rejects(
      client.appendToStream('a-1', some(1)),
      ofType(ErrorType.STREAM_DELETED, { streamName: 'a-1' }),
    );
    await t.rejects(revisionsOf(client, 'a-1'), ofType(ErrorType.STREAM_DELETED));
  });
}

await t.test(
  'what a restart forgets: repetitions are recognised where a revision was expected, and not for any',
  async (t) => {
    const { client, node } = await connect(t);
    const events = some(1);
    await client.appendToStream('a-1', events, { expectedRevision: 'no_stream' });
    node.log.forgetCommitted();
    const { nextExpectedRevision } = await client.appendToStream('a-1', events, {
      expectedRevision: 'no_stream',
    });
    t.equal(nextExpectedRevision, 0n);
    t.equal(
      (await client.appendToStream('a-1', events, { expectedRevision: 'any' })).nextExpectedRevision,
      1n,
    );
  },
);

await t.test('deleted streams come back behind their old revisions', async (t) => {
  const { client } = await connect(t);
  await client.appendToStream('a-1', some(2));
  await t.rejects(
    client.deleteStream('a-1', { expectedRevision: 7n }),
    ofType(ErrorType.WRONG_EXPECTED_VERSION, { actualVersion: 1n }),
  );
  await client.deleteStream('a-1', { expectedRevision: 1n });
  await t.rejects(revisionsOf(client, 'a-1'), ofType(ErrorType.STREAM_NOT_FOUND));
  await client.appendToStream('a-1', some(2), { expectedRevision: 'no_stream' });
  t.strictSame(await revisionsOf(client, 'a-1'), [2, 3]);
  await t.rejects(
    client.deleteStream('a-2'),
    ofType(ErrorType.WRONG_EXPECTED_VERSION),
    'there is none to delete',
  );
});

await t.test('reading', async (t) => {
  const { client, node } = await connect(t, { log: new TransactionLog({ byCategory: true }) });
  await client.appendToStream('a-1', some(3));
  await client.appendToStream('b-1', some(2, 'Other'));
  await t.rejects(revisionsOf(client, 'c-1'), ofType(ErrorType.STREAM_NOT_FOUND, { streamName: 'c-1' }));

  const part: (bigint | undefined)[] = [];
  for await (const { event } of client.readStream('a-1', { fromRevision: 1n, maxCount: 1 }))
    part.push(event?.revision);
  t.strictSame(part, [1n]);
  const [first] = await events(client.readStream('a-1'));
  t.strictSame(first?.data, { n: 0 });
  t.ok(Math.abs(Number(first?.created) - Date.now()) < 60_000);
  t.ok(first?.position, 'streams tell positions');

  const all = await events(client.readAll());
  t.strictSame(
    all.map((event) => event?.type),
    [
      '$UserCreated',
      '$statsCollected',
      'Happened',
      'Happened',
      'Happened',
      '$>',
      '$>',
      '$>',
      'Other',
      'Other',
      '$>',
      '$>',
    ],
  );
  const third = all[2]?.position;
  t.equal(
    (await events(client.readAll({ fromPosition: third ?? 'start', maxCount: 1 })))[0]?.id,
    all[2]?.id,
    'inclusive',
  );
  const before = { fromPosition: third ?? 'start', direction: 'backwards', maxCount: 1 } as const;
  t.equal((await events(client.readAll(before)))[0]?.type, '$statsCollected', 'exclusive');
  const last = { fromPosition: 'end', direction: 'backwards', maxCount: 1 } as const;
  t.equal((await events(client.readAll(last)))[0]?.id, all.at(-1)?.id);
  t.equal(node.log.records.length, all.length);
});

await t.test('subscriptions to all, filtered on the server', async (t) => {
  const { client } = await connect(t);
  const checkpoints: bigint[] = [];
  const byPrefix = client.subscribeToAll({
    filter: streamNameFilter({
      prefixes: ['a-'],
      maxSearchWindow: 4,
      checkpointReached: (_subscription, { commit }) => void checkpoints.push(commit),
    }),
  });
  const byType = client.subscribeToAll({ filter: eventTypeFilter({ regex: '^Oth' }) });
  let caughtUp = 0;
  byPrefix.on('caughtUp', () => caughtUp++);
  const prefixed: unknown[] = [];
  const typed: unknown[] = [];
  byPrefix.on('data', ({ event }) => prefixed.push(event?.streamId));
  byType.on('data', ({ event }) => typed.push(event?.streamId));
  await until('it is live', () => caughtUp === 1);
  await client.appendToStream('a-1', some(2));
  await client.appendToStream('b-1', some(9, 'Other'));
  await client.appendToStream('ab-1', some(2));
  await client.appendToStream('a-2', some(1));
  await until('all is given', () => prefixed.length === 3 && typed.length === 9 && checkpoints.length === 4);
  t.strictSame(prefixed, ['a-1', 'a-1', 'a-2']);
  t.ok(
    checkpoints.every((checkpoint, i) => i === 0 || checkpoint > (checkpoints[i - 1] ?? 0n)),
    'also between events',
  );
  await Promise.all([byPrefix.unsubscribe(), byType.unsubscribe()]);
});

await t.test('subscriptions begin behind the position or revision they are given', async (t) => {
  const { client } = await connect(t);
  await client.appendToStream('a-1', some(3));
  const [, second] = await events(client.readStream('a-1'));
  const fromAll = client.subscribeToAll({ fromPosition: second?.position ?? 'start' });
  const fromStream = client.subscribeToStream('a-1', { fromRevision: 1n });
  const seen: unknown[] = [];
  for (const subscription of [fromAll, fromStream]) {
    subscription.on('data', ({ event }: { event?: { revision: bigint } }) => seen.push(event?.revision));
  }
  await until('both gave what is there', () => seen.length === 2);
  await client.appendToStream('a-1', some(1));
  await until('and what comes', () => seen.length === 4);
  t.strictSame(seen.sort(), [2n, 2n, 3n, 3n]);
  await Promise.all([fromAll.unsubscribe(), fromStream.unsubscribe()]);
});

await t.test('a subscriber that lags falls behind, reads, and catches up again', async (t) => {
  const { client, node } = await connect(t);
  const subscription = client.subscribeToAll();
  const told: string[] = [];
  subscription.on('caughtUp', () => told.push('caughtUp'));
  subscription.on('fellBehind', () => told.push('fellBehind'));
  let given = 0;
  subscription.on('data', () => given++);
  await until('it is live', () => told.length === 1);
  node.log.append(
    'a-1',
    'any',
    Array.from({ length: 500 }, (_, n) => record(n)),
  );
  await until('it has everything', () => given === 502 && told.length === 3);
  t.strictSame(told, ['caughtUp', 'fellBehind', 'caughtUp']);
  await subscription.unsubscribe();
});

await t.test('faults as the client knows them', async (t) => {
  const { client, node } = await connect(t);
  await client.appendToStream('a-1', some(1));
  node.faults.busyCalls = 1;
  await t.rejects(revisionsOf(client, 'a-1'), ofType(ErrorType.UNAVAILABLE));
  node.faults.leader = { host: '127.0.0.1', port: 4711 };
  const read = events(client.readStream('a-1', { requiresLeader: true }));
  await t.rejects(read, ofType(ErrorType.NOT_LEADER, { leader: { address: '127.0.0.1', port: 4711 } }));
  node.faults.leader = 'here';
});

await t.test('gossip tells who leads', async (t) => {
  const log = new TransactionLog();
  const [one, two] = [await startNode(t, { log }), await startNode(t, { log })];
  const members = [
    { ...one.address, state: 'follower', alive: true },
    { ...two.address, state: 'leader', alive: true },
  ] as const;
  one.members = members;
  two.members = members;
  const hosts = [one, two].map(({ address }) => `${address.host}:${address.port}`).join(',');
  const client = EventStoreDBClient.connectionString(`esdb://${hosts}?tls=false`);
  t.teardown(() => client.dispose());
  await client.appendToStream('a-1', some(1));
  t.equal(one.calls, 0);
  t.ok(two.calls > 0);
});

/** Matches an error of the client. */
function ofType(type: ErrorType, more: Record<string, unknown> = {}) {
  return { name: 'Error', type, ...more };
}

async function events<T>(read: AsyncIterable<{ event?: T }>): Promise<(T | undefined)[]> {
  const found: (T | undefined)[] = [];
  for await (const { event } of read) found.push(event);
  return found;
}

function record(n: number) {
  return {
    id: crypto.randomUUID(),
    type: 'Happened',
    json: true,
    data: Buffer.from(JSON.stringify({ n })),
    metadata: new Uint8Array(),
  };
}
