/** Subscriptions of EventStoreDB when something goes wrong: they go on, with no gap and nothing twice. */

import t from 'tap';
import { categoryOf, START } from '../../../../src/runtime/event-store/event-store.js';
import {
  collect,
  follow,
  freshCategory,
  freshStream,
  ofKind,
  propose,
  proposeMany,
  valuesOf,
} from '../../../support/events.js';
import type { EventStoreDbNode } from '../../../support/eventstoredb-node/node.js';
import { TransactionLog } from '../../../support/eventstoredb-node/transaction-log.js';
import { openStore, recordLog, SHORT_DEADLINE_MS, startNode } from '../../../support/eventstoredb-stores.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { until } from '../../../support/until.js';
import { followAll } from './following.js';

function foreignEvent() {
  const [data, metadata] = [Buffer.from('{}'), Buffer.from('{}')];
  return { id: crypto.randomUUID(), type: 'Counted', json: true, data, metadata };
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Each disturbs the node in its own way, and may be called again and again. */
const disturbances: readonly [
  what: string,
  disturb: (node: EventStoreDbNode, other: EventStoreDbNode) => unknown,
][] = [
  ['the connection drops', (node) => node.faults.drop()],
  ['the connection drops in the middle of a batch', (node) => node.faults.dropAfter(7)],
  ['the node is restarted', (node) => node.restart()],
  [
    'the server drops the subscription, as of a consumer that is too slow',
    (node) => node.dropSubscriptions(),
  ],
  [
    'another node leads, and then this one again',
    async (node, other) => {
      node.faults.leader = other.address;
      other.faults.leader = 'here';
      node.dropSubscriptions();
      await until('the other one is asked', () => other.calls > 0);
      node.faults.leader = 'here';
      other.faults.leader = node.address;
      other.dropSubscriptions();
    },
  ],
  [
    'the queue of the server is full',
    (node) => {
      node.faults.busyCalls = 3;
      node.dropSubscriptions();
    },
  ],
];

for (const [what, disturb] of disturbances) {
  await t.test(`${what}: the subscription goes on from where it was`, async (t) => {
    const log = new TransactionLog({ byCategory: true });
    const node = await startNode(t, { log });
    const other = await startNode(t, { log });
    // Writes past the faults, so that what is stored is known for sure.
    const writer = await openStore(t, await startNode(t, { log }));
    const store = await openStore(t, node);
    const category = freshCategory();
    const [stream, elsewhere] = [freshStream(category), freshStream()];
    const following = followAll(t, store, category);
    let n = 0;
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20; i++) {
        await writer.append(stream, 'any', [propose({ n })]);
        await writer.append(elsewhere, 'any', [propose()]);
        n += 1;
        if (i === 7) await disturb(node, other);
      }
      await until('all events are there', () => following.events.length >= n);
    }
    t.strictSame(valuesOf(following.events), upTo(n), 'each once and in order');
    const checkpoints = following.batches.map(({ checkpoint }) => checkpoint);
    t.strictSame([...checkpoints].sort(), checkpoints, 'checkpoints never go back');
  });
}

await t.test('a server that falls silent: another connection is tried, and nothing is missed', async (t) => {
  const node = await startNode(t);
  const log = recordLog();
  const store = await openStore(t, node, { deadlineMs: SHORT_DEADLINE_MS, logger: log.logger });
  const writer = await openStore(t, await startNode(t, { log: node.log }));
  const category = freshCategory();
  const stream = freshStream(category);
  await writer.append(stream, 'any', proposeMany(3));
  const following = followAll(t, store, category);
  await until('it has caught up', () => following.batches.at(-1)?.caughtUp === true);
  const { connections } = node;
  node.faults.fallSilent();
  await writer.append(stream, 'any', proposeMany(2, 3));
  await until('it has noticed', () => node.connections > connections);
  node.faults.speak();
  await until('all events are there', () => following.events.length >= 5);
  t.strictSame(valuesOf(following.events), upTo(5));
  t.ok(
    log.lines.some((line) => line.includes('subscription to EventStoreDB interrupted')),
    'and the log says so',
  );
});

await t.test('a store that was away for long: the subscription is tried every two seconds', async (t) => {
  const node = await startNode(t);
  const clock = new ManualClock(Date.now());
  const log = recordLog();
  const store = await openStore(t, node, { clock, logger: log.logger });
  const stream = freshStream();
  const following = followAll(t, store, categoryOf(stream));
  await until('it has caught up', () => following.batches.length > 0);
  await node.stop();
  const pauses = () =>
    log.lines
      .filter((line) => line.includes('subscription to EventStoreDB interrupted'))
      .map((line) => Number(JSON.parse(line).retryInMs));
  await until('it was tried again and again', () => {
    clock.advance(500);
    return pauses().length > 10;
  });
  t.strictSame(
    pauses().filter((pause) => !(pause <= 2_000)),
    [],
  );
  await node.start();
  node.log.append(stream, 'any', [foreignEvent()]);
  await until('it goes on', () => {
    clock.advance(500);
    return following.events.length === 1;
  });
});

await t.test('a server that is too old, or none at all, is no reason to end a subscription', async (t) => {
  const missing: 'position'[] = ['position'];
  const node = await startNode(t, { without: missing });
  const log = recordLog();
  const store = await openStore(t, node, { logger: log.logger, deadlineMs: SHORT_DEADLINE_MS });
  const stream = freshStream();
  const following = followAll(t, store, categoryOf(stream));
  await until('the log says so', () =>
    log.lines.some(
      (line) => line.includes('subscription to EventStoreDB interrupted') && line.includes('22.10 or newer'),
    ),
  );
  missing.pop();
  node.log.append(stream, 'any', [foreignEvent()]);
  await until('with another server it goes on', () => following.events.length === 1);
  t.notOk(log.lines.some((line) => line.includes('rebuild the read models')));
});

await t.test(
  'an event that the subscription is not given is looked for, and the subscription made anew',
  async (t) => {
    const node = await startNode(t);
    const store = await openStore(t, node, { deadlineMs: SHORT_DEADLINE_MS });
    const stream = freshStream();
    const following = followAll(t, store, categoryOf(stream));
    await store.append(stream, 'noStream', proposeMany(1));
    await until('it is given events', () => following.events.length === 1);
    const { calls } = node;
    node.faults.stallSubscriptions();
    await store.append(stream, 0, proposeMany(2, 1));
    await until('the others are there', () => following.events.length >= 3);
    t.strictSame(valuesOf(following.events), upTo(3));
    t.ok(node.calls > calls + 3, 'it had to look for them');
  },
);

await t.test('checkpoints', async (t) => {
  await t.test('move at once past what this node has written elsewhere', async (t) => {
    for (const without of [[], ['caughtUp']] as const) {
      const node = await startNode(t, { without, log: new TransactionLog({ byCategory: true }) });
      const store = await openStore(t, node);
      const following = followAll(t, store, freshCategory());
      await until('it has caught up', () => following.batches.at(-1)?.caughtUp === true);
      for (let n = 0; n < 3; n++) {
        const { position } = await store.append(freshStream(), 'noStream', proposeMany(1));
        await until(
          'the checkpoint has passed it',
          () => (following.batches.at(-1)?.checkpoint ?? START) >= position,
        );
      }
      t.equal(following.events.length, 0);
      t.equal(following.batches.at(-1)?.caughtUp, true);
    }
  });

  await t.test('move past what other nodes have written elsewhere', async (t) => {
    const node = await startNode(t);
    const [store, other] = [await openStore(t, node), await openStore(t, node)];
    const following = followAll(t, store, freshCategory());
    await until('it has caught up', () => following.batches.at(-1)?.caughtUp === true);
    const { position } = await other.append(freshStream(), 'noStream', proposeMany(1));
    await until(
      'the checkpoint has passed it',
      () => (following.batches.at(-1)?.checkpoint ?? START) >= position,
    );
    t.equal(following.events.length, 0);
  });

  await t.test(
    'that lie behind the end of the store (it came from a backup) hide what it takes',
    async (t) => {
      const node = await startNode(t);
      const store = await openStore(t, node);
      await store.append(freshStream(), 'noStream', proposeMany(1));
      const after = '00ffffff'.repeat(4);
      const isResumed: (boolean | undefined)[] = [];
      const following = follow(store.subscribe({ after }), ({ resumed }) => {
        isResumed.push(resumed);
        return resumed === true;
      });
      await until('it says that it has caught up', () => isResumed.length > 0);
      const { position } = await store.append(freshStream(), 'noStream', proposeMany(1));
      t.ok(position < after);
      node.dropSubscriptions();
      const { events, batches } = await following;
      t.strictSame(
        events,
        [],
        'nobody else can tell, so a reader has to look whether it is still the store it knows',
      );
      t.match(batches[0], { checkpoint: after, caughtUp: true });
      t.equal(isResumed.at(0), undefined);
      t.equal(isResumed.at(-1), true, 'and is told when that is');
    },
  );

  await t.test('of another kind of store are invalid', async (t) => {
    const store = await openStore(t, await startNode(t));
    await t.rejects(collect(store.subscribe({ after: '0000000000000007' })), ofKind('invalid'));
    await t.rejects(collect(store.readAll({ after: 'x' })), ofKind('invalid'));
  });

  await t.test('that the server can not go on from end the subscription with the reason', async (t) => {
    const store = await openStore(t, await startNode(t));
    await store.append(freshStream(), 'noStream', proposeMany(2));
    const within = '0000000000000001'.repeat(2);
    for (const reading of [store.subscribe({ after: within }), store.readAll({ after: within })]) {
      await t.rejects(collect<unknown>(reading), { kind: 'invalid', message: /rebuild the read models/ });
    }
  });
});

await t.test('a closed store leaves nothing behind', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const following = followAll(t, store, freshCategory());
  await store.append(freshStream(), 'noStream', proposeMany(1));
  await until('it has caught up', () => following.batches.length > 0);
  await store.close();
  await following.ended;
  await until('no connection is left', () => node.openConnections === 0);
  await t.rejects(store.head(), ofKind('unavailable'));
});
