/** However much one stream has that is slow or fails, the others get on, and what it has comes in order once it can. On both stores. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OwlError } from '../../../src/base/errors.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import type { ReactorRunner } from '../../../src/runtime/reactors/reactor-runner.js';
import { STORES } from '../../support/both-stores.js';
import { collect } from '../../support/events.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { until } from '../../support/until.js';
import { counter } from '../support/counter.js';
import { add, appendTo } from '../support/tallies.js';
import { gate, type Node, nodeOn } from './reacting.js';

interface Setup {
  readonly store: EventStore;
  readonly node: Node;
  counted(id: string): Promise<unknown[]>;
}

const FILE = 'read-models.db';

function setupOn(t: Test, store: EventStore): Setup {
  return {
    store,
    node: nodeOn(t, store, join(t.testdirName, FILE)),
    counted: async (id) => (await collect(store.readStream(`counter-${id}`))).map(({ data }) => data['what']),
  };
}

function onBothStores(name: string, test: (t: Test, setup: Setup) => Promise<void>): void {
  for (const [kind, open] of Object.entries(STORES)) {
    t.test(`${name} (${kind})`, async (t) => {
      t.testdir();
      await test(t, setupOn(t, await open(t)));
    });
  }
}

const numbers = (amount: number) => Array.from({ length: amount }, (_, n) => n);
const texts = (amount: number) => numbers(amount).map(String);

/** Lets commands to this target fail until it is mended. */
function failing(node: Node, target: string): { mend(): void } {
  let away = true;
  node.hinder = (id) => {
    if (away && id === target) throw new OwlError('unavailable', 'not now');
  };
  return {
    mend: () => {
      away = false;
    },
  };
}

async function untilCaughtUp(node: Node, reactions: ReactorRunner, store: EventStore): Promise<void> {
  const head = await store.head();
  await until('all is done', () => {
    node.clock.advance(10_000);
    return reactions.status().checkpoint >= head;
  });
}

onBothStores('a stream that fails with more events than the window holds', async (t, setup) => {
  const { store, node, counted } = setup;
  const target = failing(node, 'a');
  const reactions = node.runner(undefined, { window: 8, batchSize: 4 });
  await reactions.start();
  await add(store, 'before', 1);
  const before = await store.head();
  await add(store, 'a', ...numbers(9));
  await add(store, 'b', 1);
  await until('the other is done', async () => (await counted('b')).length === 1);
  await add(store, 'a', 9, 10);
  await add(store, 'c', ...numbers(9));
  await until('one with many events, too', async () => (await counted('c')).length === 9);
  await until('what fails shows', () => reactions.status().retrying === 1);
  t.match(reactions.status(), { checkpoint: before, waiting: [{ stream: 'tally-a', revision: 0 }] });
  target.mend();
  await untilCaughtUp(node, reactions, store);
  t.same(await counted('a'), texts(11), 'in order');
  t.same(await counted('c'), texts(9));
  for (const id of ['b', 'c'])
    t.equal(node.sent.filter((sent) => sent === id).length, (await counted(id)).length);
  await reactions.stop();
  const again = nodeOn(t, store, join(t.testdirName, FILE));
  const after = again.runner();
  await after.start();
  await after.caughtUpTo(await store.head());
  t.same(again.sent, [], 'the checkpoint is behind all of it');
});

onBothStores('some that are slow with more events than the window holds', async (t, setup) => {
  const { store, node, counted } = setup;
  const slow = gate();
  node.hinder = (id) => (id.startsWith('slow') ? slow.passed : undefined);
  const reactions = node.runner(undefined, { window: 8, streams: 4 });
  await reactions.start();
  for (const id of ['slow-1', 'slow-2', 'slow-3']) await add(store, id, ...numbers(6));
  for (const id of ['x', 'y', 'z']) await add(store, id, 1, 2);
  await until('the others are done', async () => (await counted('z')).length === 2);
  slow.open();
  await untilCaughtUp(node, reactions, store);
  for (const id of ['slow-1', 'slow-2', 'slow-3']) t.same(await counted(id), texts(6));
  t.equal(node.sent.length, 24, 'each once');
});

onBothStores('some that fail when the others wait for room already', async (t, { store, node, counted }) => {
  const held = gate();
  node.hinder = async (id) => {
    if (id === 'c') return;
    await held.passed;
    throw new OwlError('unavailable', 'not now');
  };
  const reactions = node.runner(undefined, { window: 6, streams: 2 });
  await reactions.start();
  for (const id of ['a', 'b']) await add(store, id, ...numbers(3));
  await add(store, 'c', 1);
  await until('all are given', () => node.given() === 7 && node.sent.length === 2);
  held.open();
  await until('the other is done', async () => (await counted('c')).length === 1);
  t.same(node.sent.toSorted(), ['a', 'b', 'c']);
});

onBothStores('one whose events are large', async (t, setup) => {
  const { store, node, counted } = setup;
  const target = failing(node, 'a');
  const reactions = node.runner(undefined, { windowSize: 20_000 });
  await reactions.start();
  for (let n = 0; n < 3; n++) await appendTo(store, 'tally-a', [n], 'x'.repeat(15_000));
  await add(store, 'b', 1);
  await until('the other is done', async () => (await counted('b')).length === 1);
  target.mend();
  await untilCaughtUp(node, reactions, store);
  t.same(await counted('a'), texts(3));
});

onBothStores('what is left to the store goes on when the subscription breaks', async (t, setup) => {
  const { store, node, counted } = setup;
  const target = failing(node, 'a');
  const reactions = node.runner(undefined, { window: 4 });
  await reactions.start();
  await add(store, 'a', ...numbers(10));
  for (const round of [1, 2]) {
    await add(store, 'b', round);
    await until('the other is done', async () => (await counted('b')).length === round);
    const given = node.given();
    node.interrupt();
    await until('all is given again', () => {
      node.clock.advance(10_000);
      return node.given() >= given + 10 + round;
    });
  }
  target.mend();
  await untilCaughtUp(node, reactions, store);
  t.same(await counted('a'), texts(10));
  t.same(await counted('b'), ['1', '2']);
  t.equal(node.sent.filter((id) => id === 'b').length, 2);
});

onBothStores('what can not be read is parked in its place when it is its turn', async (t, setup) => {
  const tally = { Added: { version: 1, fields: { amount: 'integer' } } } as const;
  const registry = new SchemaRegistry([{ category: 'tally', events: tally }, counter]);
  const { node, counted, store } = setupOn(t, withSchemas(setup.store, registry));
  const target = failing(node, 'a');
  const reactions = node.runner(undefined, { window: 2, problemOf: (event) => registry.problemOf(event) });
  await reactions.start();
  await add(store, 'a', 0, 1, 2, 3);
  await appendTo(setup.store, 'tally-a', ['no number']);
  await add(store, 'a', 5, 6);
  await add(store, 'b', 1);
  await until('the other is done', async () => (await counted('b')).length === 1);
  target.mend();
  await untilCaughtUp(node, reactions, store);
  t.same(await counted('a'), texts(4), 'what came before is done');
  t.match(reactions.parked(), [
    { revision: 4, error: /Added at revision 4 of tally-a .* can't be read/ },
    { revision: 5, error: /waits behind revision 4/ },
    { revision: 6 },
  ]);
});

onBothStores('what is left to the store at a stop comes again', async (t, { store, node, counted }) => {
  failing(node, 'a');
  const reactions = node.runner(undefined, { window: 4 });
  await reactions.start();
  await add(store, 'a', ...numbers(6));
  await add(store, 'b', 1);
  await until('the other is done', async () => (await counted('b')).length === 1);
  await reactions.stop();
  const again = nodeOn(t, store, join(t.testdirName, FILE));
  const after = again.runner();
  await after.start();
  await after.caughtUpTo(await store.head());
  t.same(await counted('a'), texts(6));
});

onBothStores('what a stop leaves undone comes again', async (t, { store, node, counted }) => {
  const slow = gate();
  node.hinder = (id) => (id === 'a' ? slow.passed : undefined);
  const reactions = node.runner(undefined, { streams: 1 });
  await reactions.start();
  await add(store, 'a', 1);
  await add(store, 'b', 1);
  await until('both are taken on', () => node.given() === 2 && node.sent.length === 1);
  const stopped = reactions.stop();
  slow.open();
  await stopped;
  t.same(node.sent, ['a'], 'the other has waited for its place');
  const again = nodeOn(t, store, join(t.testdirName, FILE));
  const after = again.runner();
  await after.start();
  await after.caughtUpTo(await store.head());
  t.same(again.sent, ['b']);
  t.same(await counted('b'), ['1']);
});

t.test('what the store does not show yet is read again', async (t) => {
  t.testdir();
  const [open] = Object.values(STORES);
  if (open === undefined) throw new Error('there is a store');
  const { node, store, counted } = setupOn(t, await open(t));
  const target = failing(node, 'a');
  let looks = 0;
  async function* readStream(...given: Parameters<EventStore['readStream']>) {
    if (given[1]?.from === undefined || ++looks > 2) yield* store.readStream(...given);
  }
  const reactions = node.runner(undefined, { window: 2, store: delegating(node.store, { readStream }) });
  await reactions.start();
  await add(store, 'a', ...numbers(10));
  await add(store, 'b', 1);
  await until('the other is done', async () => (await counted('b')).length === 1);
  target.mend();
  await untilCaughtUp(node, reactions, store);
  t.same(await counted('a'), texts(10));
  t.equal(looks > 2, true);
});

t.test('what was deleted meanwhile delays nobody, and what is gone for good is told', async (t) => {
  t.testdir();
  const server = await startNode(t);
  const { node, store, counted } = setupOn(t, await openStore(t, server));
  const reactions = node.runner(undefined, { window: 4, problemOf: ({ damage }) => damage });
  await reactions.start();
  const deletions = {
    cut: () => server.log.setMetadata('tally-cut', { $tb: 4 }),
    deleted: () => server.log.delete('tally-deleted', 'any'),
    scavenged: () => {
      server.log.tombstone('tally-scavenged', 'any');
      for (const record of server.log.records.slice())
        if (record.stream === 'tally-scavenged' && record.type === 'Added') server.log.index.scavenge(record);
    },
  };
  for (const [n, [id, remove]] of Object.entries(deletions).entries()) {
    const target = failing(node, id);
    await add(store, id, ...numbers(6));
    await add(store, 'b', n);
    await until('the other is done', async () => (await counted('b')).length === n + 1);
    remove();
    target.mend();
    await untilCaughtUp(node, reactions, store);
  }
  t.same(await counted('cut'), texts(6), 'what is still there in the store counts');
  t.same(await counted('deleted'), texts(6));
  t.same(await counted('scavenged'), []);
  const parked = /^event parked/;
  t.match(node.log.messages('error').toSorted(), [parked, parked, parked, /no longer stored/]);
  const streams = Object.keys(deletions).map((id) => ({ stream: `tally-${id}`, type: '$cut-off' }));
  t.match(reactions.parked(), streams);
});
