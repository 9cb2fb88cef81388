/** Appends to EventStoreDB when something goes wrong: what is told of them, and that telling it is true. */

import t from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import type { ExpectedRevision } from '../../../../src/runtime/event-store/event-store.js';
import { collect, freshStream, idsOf, ofKind, propose, proposeMany } from '../../../support/events.js';
import { EventStoreDbNode } from '../../../support/eventstoredb-node/node.js';
import { openStore, SHORT_DEADLINE_MS, startNode } from '../../../support/eventstoredb-stores.js';
import { until } from '../../../support/until.js';

const refused = { name: 'StoreUnavailableError', outcome: 'refused' };
const unknown = { name: 'StoreUnavailableError', outcome: 'unknown' };

/** Both calls that the protocol has for an append, and every expectation that has a repetition. */
const roads = [
  ['batch append', []],
  ['append', ['batchAppend']],
] as const;
const expectations: readonly ExpectedRevision[] = ['noStream', 1, 'any', 'streamExists'];

for (const [road, without] of roads) {
  await t.test(`through ${road}`, async (t) => {
    await t.test(
      'stored, but the answer is lost: unknown, and the retry gets the first answer',
      async (t) => {
        for (const expected of expectations) {
          for (const count of [1, 3]) {
            const node = await startNode(t, { without });
            const store = await openStore(t, node);
            const stream = freshStream();
            if (expected !== 'noStream') await store.append(stream, 'noStream', proposeMany(2));
            const events = proposeMany(count);
            node.faults.lostAnswers = 1;
            await t.rejects(store.append(stream, expected, events), unknown, `${count} at ${expected}`);
            const again = await store.append(stream, expected, events);
            t.equal(again.duplicate, true, 'it had been stored');
            t.strictSame(idsOf(again.events), idsOf(events));
            t.equal(
              (await collect(store.readStream(stream))).length,
              count + (expected === 'noStream' ? 0 : 2),
            );
          }
        }
      },
    );

    await t.test('the server times out after it has stored: unknown', async (t) => {
      const node = await startNode(t, { without });
      const store = await openStore(t, node);
      const stream = freshStream();
      const events = proposeMany(1);
      node.faults.timeouts = 1;
      await t.rejects(store.append(stream, 'noStream', events), unknown);
      t.equal((await store.append(stream, 'noStream', events)).duplicate, true);
    });

    await t.test('no answer at all: unknown when the deadline has passed', async (t) => {
      const node = await startNode(t, { without });
      const store = await openStore(t, node, { deadlineMs: SHORT_DEADLINE_MS });
      const stream = freshStream();
      const [first, second] = [propose(), propose()];
      await store.append(stream, 'noStream', [first]);
      node.faults.fallSilent();
      await t.rejects(store.append(stream, 0, [second]), unknown);
      node.faults.speak();
      const again = await store.append(stream, 0, [second]);
      t.equal(again.duplicate, true, 'it had been stored');
      t.equal(again.revision, 1);
    });

    await t.test('the queue of the server is full: refused, nothing is stored', async (t) => {
      const node = await startNode(t, { without });
      const store = await openStore(t, node);
      const stream = freshStream();
      await store.head();
      node.faults.busyCalls = 1;
      await t.rejects(store.append(stream, 'noStream', proposeMany(1)), {
        ...refused,
        message: /too much to do/,
      });
      t.strictSame(await collect(store.readStream(stream)), []);
      t.equal((await store.append(stream, 'noStream', proposeMany(1))).duplicate, false);
    });

    await t.test('another node leads: the append goes there', async (t) => {
      const node = await startNode(t, { without });
      const leader = await startNode(t, { without, log: node.log });
      const store = await openStore(t, node);
      const streams = Array.from({ length: 20 }, () => freshStream());
      await store.append(freshStream(), 'noStream', proposeMany(1));
      node.faults.leader = leader.address;
      const results = await Promise.all(
        streams.map((stream) => store.append(stream, 'noStream', proposeMany(2))),
      );
      t.ok(
        results.every(({ revision, duplicate }) => revision === 1 && !duplicate),
        'each is stored, as new',
      );
      t.ok(leader.connections > 0);
      const { connections } = node;
      await store.append(streams[0] ?? '', 1, proposeMany(1));
      t.equal(node.connections, connections, 'and later ones go there at once');
    });

    await t.test('a leader that leaves: the node that was configured is asked again', async (t) => {
      const node = await startNode(t, { without });
      const leader = await startNode(t, { without, log: node.log });
      const store = await openStore(t, node);
      node.faults.leader = leader.address;
      await store.append(freshStream(), 'noStream', proposeMany(1));
      await leader.stop();
      node.faults.leader = 'here';
      await until('appends go through again', async () => {
        const append = store.append(freshStream(), 'noStream', proposeMany(1));
        return append.then(
          () => true,
          () => false,
        );
      });
    });

    await t.test('no node leads: refused when the deadline has passed', async (t) => {
      const node = await startNode(t, { without });
      const store = await openStore(t, node, { deadlineMs: SHORT_DEADLINE_MS });
      node.faults.leader = 'unknown';
      await t.rejects(store.append(freshStream(), 'noStream', proposeMany(1)), {
        ...refused,
        message: /no node leads/,
      });
      node.faults.leader = 'here';
      // When it is looked for again is a matter of growing pauses.
      const append = () => store.append(freshStream(), 'noStream', proposeMany(1));
      await until('what is sent is stored again', () =>
        append().then(
          () => true,
          () => false,
        ),
      );
    });

    await t.test(
      'an append larger than the server takes is invalid, and says how much it takes',
      async (t) => {
        const node = await startNode(t, { without, maxAppendSize: 3_000_000 });
        const store = await openStore(t, node);
        const stream = freshStream();
        const large = (length: number) => propose({ text: 'x'.repeat(length) });
        await t.rejects(
          store.append(stream, 'noStream', [large(1_400_000), large(1_000_000), large(700_000)]),
          { ...ofKind('invalid'), message: /3000000/ },
        );
        t.strictSame(await collect(store.readStream(stream)), []);
        const { revision } = await store.append(stream, 'noStream', [large(1_400_000), large(1_400_000)]);
        t.equal(revision, 1);
      },
    );
  });
}

await t.test('appends under way when the connection drops are told as unknown, and none hangs', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  await store.append(freshStream(), 'noStream', proposeMany(1));
  node.faults.fallSilent();
  const streams = Array.from({ length: 50 }, () => freshStream());
  const events = streams.map(() => propose());
  const appends = streams.map((stream, i) => store.append(stream, 'noStream', events.slice(i, i + 1)));
  const outcomes = Promise.allSettled(appends);
  await until('all have reached the node', () => node.log.readStream(streams.at(-1) ?? '') !== 'notFound');
  node.faults.drop();
  for (const outcome of await outcomes) {
    t.match(outcome, { status: 'rejected', reason: unknown });
  }
  node.faults.speak();
  const again = await Promise.all(
    streams.map((stream, i) => store.append(stream, 'noStream', events.slice(i, i + 1))),
  );
  t.ok(again.every(({ duplicate }) => duplicate));
});

await t.test('a connection that drops after some answers loses only those that follow', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(1));
  node.faults.dropAfter(3);
  const outcomes = [];
  for (let n = 0; n < 6; n++) {
    outcomes.push(await store.append(stream, n, proposeMany(1)).catch((error: unknown) => error));
    if (outcomes.length === 4) break;
  }
  const stored = await collect(store.readStream(stream));
  t.equal(stored.length, 5, 'three were answered, the fourth found a new connection');
});

await t.test('the store is away: refused within the deadline, and back by itself', async (t) => {
  const node = await startNode(t);
  const told: boolean[] = [];
  const store = await openStore(t, node, {
    deadlineMs: SHORT_DEADLINE_MS,
    onAvailability: ({ available }) => told.push(available),
  });
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(1));
  await node.stop();
  await until('it is noticed', () => told.at(-1) === false);
  await t.rejects(store.append(stream, 0, proposeMany(1)), { ...refused, message: /is away/ });
  await t.rejects(store.head(), { name: 'StoreUnavailableError' });
  await t.rejects(collect(store.readStream(stream)), { name: 'StoreUnavailableError' });
  await t.rejects(collect(store.readAll()), { name: 'StoreUnavailableError' });
  t.strictSame(told, [true, false], 'who asked to hear of it was told');
  await node.start();
  await until('it is back', () => told.at(-1) === true);
  t.equal((await store.append(stream, 0, proposeMany(1))).revision, 1);
  t.equal((await collect(store.readStream(stream))).length, 2);
});

/** The clock is set once the call has begun; what it measures by the wall would last an hour more, or be over at once. */
await t.test('setting the wall clock lengthens no deadline, and shortens none', async (t) => {
  for (const step of [-3_600_000, 3_600_000]) {
    const node = await startNode(t);
    let offset = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + offset };
    const told: boolean[] = [];
    const store = await openStore(t, node, {
      ...{ clock, deadlineMs: 4 * SHORT_DEADLINE_MS },
      onAvailability: ({ available }) => told.push(available),
    });
    const stream = freshStream();
    await store.append(stream, 'noStream', proposeMany(1));
    await node.stop();
    await until('it is noticed', () => told.at(-1) === false);
    const began = clock.monotonic();
    const calls = [store.append(stream, 0, proposeMany(1)), store.head(), collect(store.readAll())];
    const ended = calls.map((call) =>
      call.then(
        () => undefined,
        () => clock.monotonic() - began,
      ),
    );
    offset = step;
    for (const tookMs of await Promise.all(ended)) {
      t.type(tookMs, 'number', 'it is refused');
      t.ok(Number(tookMs) >= SHORT_DEADLINE_MS, `not before its time: ${tookMs} ms`);
    }
  }
});

await t.test('a store that starts while the server is away', async (t) => {
  const node = new EventStoreDbNode();
  await node.start();
  await node.stop();
  const store = await openStore(t, node, { deadlineMs: SHORT_DEADLINE_MS });
  await t.rejects(store.append(freshStream(), 'noStream', proposeMany(1)), refused);
  await node.start();
  t.teardown(() => node.stop());
  await until('it has connected', () =>
    store.append(freshStream(), 'noStream', proposeMany(1)).then(
      () => true,
      () => false,
    ),
  );
});

await t.test('appends again are recognised', async (t) => {
  await t.test('for any and streamExists also by a server that was restarted', async (t) => {
    const node = await startNode(t);
    const store = await openStore(t, node);
    const stream = freshStream();
    const first = await store.append(stream, 'any', proposeMany(2));
    const events = [propose()];
    const second = await store.append(stream, 'streamExists', events);
    await store.append(stream, 'any', proposeMany(3));
    await node.restart();
    t.strictSame(await store.append(stream, 'any', first.events.map(plain)), { ...first, duplicate: true });
    t.strictSame(await store.append(stream, 'streamExists', events), { ...second, duplicate: true });
  });

  await t.test('when two nodes begin the same stream with the same events: one of them is new', async (t) => {
    const node = await startNode(t);
    const [one, other] = [await openStore(t, node), await openStore(t, node)];
    for (let n = 0; n < 20; n++) {
      const stream = freshStream();
      const event = propose();
      const results = await Promise.all([
        one.append(stream, 'noStream', [event]),
        other.append(stream, 'noStream', [event]),
      ]);
      t.strictSame(results.map(({ duplicate }) => duplicate).sort(), [false, true]);
      t.strictSame(results[0].events, results[1].events);
    }
  });

  await t.test('by another node that has seen them', async (t) => {
    const node = await startNode(t);
    const [one, other] = [await openStore(t, node), await openStore(t, node)];
    const stream = freshStream();
    await one.append(stream, 'noStream', proposeMany(1));
    const events = [propose()];
    const first = await one.append(stream, 0, events);
    await collect(other.readStream(stream));
    t.strictSame(await other.append(stream, 0, events), { ...first, duplicate: true });
  });
});

await t.test("types that begin with $ are the server's own", async (t) => {
  const store = await openStore(t, await startNode(t));
  const append = store.append(freshStream(), 'noStream', [propose({}, { type: '$metadata' })]);
  await t.rejects(append, ofKind('invalid'));
});

function plain({ id, type, version, data, metadata }: ReturnType<typeof propose>) {
  return { id, type, version, data, metadata };
}
