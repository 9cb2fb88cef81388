/** No batch is a barrier: what is slow or fails delays its own stream, and the checkpoint is where all is done. On both stores. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OwlError } from '../../../src/base/errors.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { collect } from '../../support/events.js';
import { until } from '../../support/until.js';
import { add } from '../support/tallies.js';
import { gate, type Node, nodeOn, STORES } from './reacting.js';

const FILE = 'read-models.db';

interface Setup {
  readonly node: Node;
  readonly store: EventStore;
  /** Another process of the same node, after the one before. */
  again(): Promise<Node>;
  counted(id: string): Promise<unknown[]>;
}

function onBothStores(name: string, test: (t: Test, setup: Setup) => Promise<void>): void {
  for (const [kind, start] of Object.entries(STORES)) {
    t.test(`${name} (${kind})`, async (t) => {
      const directory = t.testdir();
      const open = await start(t, join(directory, 'owl.db'));
      const store = await open();
      const file = join(directory, FILE);
      await test(t, {
        store,
        node: nodeOn(t, store, file),
        again: async () => nodeOn(t, await open(), file),
        counted: async (id) =>
          (await collect(store.readStream(`counter-${id}`))).map(({ data }) => data['what']),
      });
    });
  }
}

onBothStores('a slow target delays its own stream only', async (t, { node, store, counted }) => {
  const slow = gate();
  node.hinder = (target) => (target === 'slow' ? slow.passed : undefined);
  const reactions = node.runner(undefined, { batchSize: 2 });
  await reactions.start();
  const first = await add(store, 'slow', 1, 2);
  for (const id of ['a', 'b', 'c', 'a']) await add(store, id, 1, 2, 3);
  const head = await store.head();
  const all = reactions.caughtUpTo(head);
  await until('the others are done', async () => (await counted('a')).length === 6);
  await until('c is, too', async () => (await counted('c')).length === 3);
  t.same(await counted('slow'), []);
  t.equal(node.sent.filter((target) => target === 'slow').length, 1, 'the next of its stream waits for it');
  const { checkpoint, caughtUp, lastError } = reactions.status();
  t.ok(checkpoint < first.position, 'the checkpoint is before it');
  t.match({ caughtUp, lastError }, { caughtUp: false, lastError: undefined });

  slow.open();
  await all;
  t.same(await counted('slow'), ['1', '2']);
  await until('it is caught up', () => reactions.status().caughtUp);
  t.equal(reactions.status().checkpoint >= first.position, true);
  t.equal(node.sent.length, 14, 'nothing was sent twice');
});

onBothStores('a failing target does not either, and shows', async (t, { node, store, counted }) => {
  let away = true;
  node.hinder = (target) => {
    if (away && target === 'failing') throw new OwlError('unavailable', 'not now');
  };
  const reactions = node.runner(undefined, { batchSize: 1, streams: 1 });
  await reactions.start();
  const { position } = await add(store, 'failing', 1);
  await add(store, 'failing', 2);
  await add(store, 'a', 1);
  await until('the other is done, through the only place', async () => (await counted('a')).length === 1);
  await until('it is to be tried again', () => reactions.status().retrying === 1);
  t.match(reactions.status(), {
    retrying: 1,
    lastError: /revision 0 of tally-.* waits .*: not now/,
    waiting: [{ stream: 'tally-failing', revision: 0, reason: 'not now' }],
  });
  const all = reactions.caughtUpTo(await store.head());
  away = false;
  await until('it was sent again', async () => {
    node.clock.advance(10_000);
    return (await counted('failing')).length === 2;
  });
  await all;
  t.ok(reactions.status().checkpoint >= position);
  t.match(reactions.status(), { retrying: 0, waiting: [] });
  t.equal(node.sent.filter((target) => target === 'a').length, 1);
});

onBothStores('what is done beyond is not sent again when the subscription breaks', async (t, setup) => {
  const { node, store, counted } = setup;
  const slow = gate();
  node.hinder = (target) => (target === 'slow' ? slow.passed : undefined);
  const reactions = node.runner();
  await reactions.start();
  await add(store, 'slow', 1, 2);
  await add(store, 'a', 1);
  await until('the other is done', async () => (await counted('a')).length === 1);
  for (const round of [2, 3]) {
    const before = node.given();
    node.interrupt();
    await add(store, 'a', round);
    await until('the events were given again', () => {
      node.clock.advance(10_000);
      return node.given() >= before + round + 2;
    });
    await until('and the new one is done', async () => (await counted('a')).length === round);
  }
  slow.open();
  await reactions.caughtUpTo(await store.head());
  t.same(node.sent.toSorted(), ['a', 'a', 'a', 'slow', 'slow']);
  t.same(await counted('slow'), ['1', '2']);
});

onBothStores('a new process begins at the mark, and changes nothing twice', async (t, setup) => {
  const { node, store, counted, again } = setup;
  node.hinder = (target) => {
    if (target === 'failing') throw new OwlError('unavailable', 'not now');
  };
  const before = node.runner();
  await before.start();
  await add(store, 'early', 1);
  await before.caughtUpTo(await store.head());
  await add(store, 'failing', 1);
  await add(store, 'late', 1);
  await until('what is beyond is done', async () => (await counted('late')).length === 1);
  await before.stop();

  const next = await again();
  const after = next.runner();
  await after.start();
  await after.caughtUpTo(await store.head());
  t.same(next.sent.toSorted(), ['failing', 'late'], 'and not what is below');
  for (const id of ['early', 'failing', 'late']) t.same(await counted(id), ['1']);
});

onBothStores('no more is taken on than the window holds', async (t, { node, store, counted }) => {
  const slow = gate();
  node.hinder = () => slow.passed;
  const reactions = node.runner(undefined, { window: 8, batchSize: 4 });
  await reactions.start();
  for (let n = 0; n < 40; n++) await add(store, `t${n}`, n);
  const all = reactions.caughtUpTo(await store.head());
  await until('the window is full', () => node.sent.length === 8);
  t.ok(node.given() <= 8 + 4, `${node.given()} given: those of the window, and one batch`);
  slow.open();
  await all;
  t.equal(node.sent.length, 40);
  t.same(await counted('t39'), ['39']);
});

onBothStores('a mark that can not be written is written later, and nothing sent for it', async (t, setup) => {
  const { node, store, counted, again } = setup;
  const reactions = node.runner();
  await reactions.start();
  node.db.exec('PRAGMA query_only = ON');
  const { position } = await add(store, 'a', 1, 2);
  const caughtUp = reactions.caughtUpTo(position);
  await until('they are carried out', async () => (await counted('a')).length === 2);
  await until('the failure shows', () => reactions.status().lastError !== undefined);
  node.db.exec('PRAGMA query_only = OFF');
  await until('it is caught up', () => {
    node.clock.advance(10_000);
    return reactions.status().caughtUp;
  });
  await caughtUp;
  t.equal(reactions.status().lastError, undefined);
  t.same(node.sent, ['a', 'a']);
  await reactions.stop();
  const next = await again();
  const after = next.runner();
  await after.start();
  await after.caughtUpTo(position);
  t.same(next.sent, []);
});
