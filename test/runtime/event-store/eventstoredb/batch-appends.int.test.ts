/** Many appends share one stream to EventStoreDB: what ends it answers none of them, and none can end it for the others. */

import { status as GrpcStatus } from '@grpc/grpc-js';
import t from 'tap';
import { collect, freshStream, idsOf, ofKind, propose, proposeMany } from '../../../support/events.js';
import { type Refusal, refusal } from '../../../support/eventstoredb-node/refusals.js';
import { openStore, startNode } from '../../../support/eventstoredb-stores.js';
import { until } from '../../../support/until.js';

/** Longer than any test takes. */
const PATIENT_MS = 600_000;

const unknown = { name: 'StoreUnavailableError', outcome: 'unknown' };

/** With all of them a server, its framework or what is between says of one call that it was not carried out. */
const endings: readonly Refusal[] = [
  refusal(GrpcStatus.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded'),
  refusal(GrpcStatus.RESOURCE_EXHAUSTED, 'Received message exceeds the maximum configured message size.'),
  refusal(GrpcStatus.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' }),
  refusal(GrpcStatus.FAILED_PRECONDITION, "Event stream 'x' is deleted.", { exception: 'stream-deleted' }),
  refusal(GrpcStatus.INVALID_ARGUMENT, 'no'),
  refusal(GrpcStatus.UNIMPLEMENTED, 'no'),
  refusal(GrpcStatus.UNAVAILABLE, 'Server Is Too Busy'),
  refusal(GrpcStatus.UNKNOWN, 'Exception was thrown by handler.'),
];

for (const ending of endings) {
  await t.test(
    `"${ending.details}" ends the stream: of all that are under way nothing is known`,
    async (t) => {
      for (const count of [1, 3]) {
        const node = await startNode(t);
        const store = await openStore(t, node);
        const appends = Array.from({ length: count }, () => [freshStream(), propose()] as const);
        const append = () =>
          Promise.allSettled(appends.map(([stream, event]) => store.append(stream, 'noStream', [event])));
        await store.head();
        node.log.index.hold();
        const outcomes = append();
        await until('they are written', () => node.changes === count);
        node.dropAppends(ending);
        for (const outcome of await outcomes) t.match(outcome, { status: 'rejected', reason: unknown });
        node.log.index.release();
        for (const outcome of await append()) {
          t.match(outcome, { status: 'fulfilled', value: { duplicate: true } }, 'it had been stored');
        }
      }
    },
  );
}

await t.test('what one attempt leaves open, a later one does not close', async (t) => {
  for (const then of ['electing', 'preparing'] as const) {
    const node = await startNode(t);
    const leader = await startNode(t, { log: node.log });
    const store = await openStore(t, node, { deadlineMs: 1_000 });
    const stream = freshStream();
    const events = proposeMany(1);
    await store.head();
    node.log.index.hold();
    const append = store.append(stream, 'noStream', events);
    await until('it is written', () => node.changes === 1);
    leader.faults.leader = then;
    node.faults.leader = leader.address;
    node.dropAppends(
      refusal(GrpcStatus.NOT_FOUND, 'Leader info available', {
        exception: 'not-leader',
        'leader-endpoint-host': leader.address.host,
        'leader-endpoint-port': String(leader.address.port),
      }),
    );
    await t.rejects(append, unknown, `the other one is ${then}`);
    leader.faults.leader = 'here';
    node.log.index.release();
    t.equal((await store.append(stream, 'noStream', events)).duplicate, true);
  }
});

await t.test(
  'appends under way when a read finds that another node leads are stored there, once',
  async (t) => {
    const node = await startNode(t, { commitTimeoutMs: PATIENT_MS });
    const leader = await startNode(t, { log: node.log, commitTimeoutMs: PATIENT_MS });
    const store = await openStore(t, node, { deadlineMs: PATIENT_MS });
    const stream = freshStream();
    await store.head();
    node.log.index.hold();
    const append = store.append(stream, 'noStream', proposeMany(1));
    await until('it is written', () => node.changes === 1);
    node.faults.leader = leader.address;
    await store.head();
    await until('it is sent again', () => leader.changes === 1);
    node.log.index.release();
    t.equal((await append).duplicate, false);
    t.equal((await collect(store.readStream(stream))).length, 1);
  },
);

await t.test(
  'an event larger than a message may be is invalid, and does no harm to other appends',
  async (t) => {
    const node = await startNode(t, { maxAppendSize: 8_000_000, maxMessageSize: 3_000_000 });
    const store = await openStore(t, node);
    const [stream, other] = [freshStream(), freshStream()];
    await store.head();
    node.log.index.hold();
    const append = store.append(other, 'noStream', proposeMany(1));
    await until('it is written', () => node.changes === 1);
    const large = propose({ text: 'x'.repeat(4_000_000) });
    await t.rejects(store.append(stream, 'noStream', [large]), {
      ...ofKind('invalid'),
      message: /larger than the server takes/,
    });
    node.log.index.release();
    t.equal((await append).duplicate, false);
    t.strictSame(await collect(store.readStream(stream)), []);
  },
);

await t.test('an append of several messages is one append', async (t) => {
  const node = await startNode(t, { maxAppendSize: 8_000_000, maxMessageSize: 1_500_000 });
  const store = await openStore(t, node);
  const stream = freshStream();
  const events = Array.from({ length: 5 }, (_, n) => propose({ n, text: 'x'.repeat(700_000) }));
  t.equal((await store.append(stream, 'noStream', events)).revision, 4);
  t.equal(node.changes, 1);
  t.strictSame(idsOf(await collect(store.readStream(stream))), idsOf(events));
});
