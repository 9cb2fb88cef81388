/** How far a reactor is on a store, told to nodes that are new to it or were away. On both stores. */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type {
  EventStore,
  JsonObject,
  Marks,
  ProposedEvent,
} from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { Reactor } from '../../../src/runtime/reactors/reactor.js';
import type { ReactorRunner } from '../../../src/runtime/reactors/reactor-runner.js';
import { RUNTIME_TABLES } from '../../../src/runtime/read-models/projection.js';
import { openRuntime } from '../../../src/runtime/runtime.js';
import { collect } from '../../support/events.js';
import { until } from '../../support/until.js';
import { counter } from '../support/counter.js';
import { add } from '../support/tallies.js';
import { countsAmounts, gate, type Node, nodeOn, STORES } from './reacting.js';

const NAME = 'reactor:counts-amounts';

interface Setup {
  readonly store: EventStore;
  readonly marks: Marks;
  /** One more node of the store; of the same name: the same one again, in another process. */
  node(name: string): Promise<Node>;
  counted(id: string): Promise<unknown[]>;
  mark(): Promise<JsonObject | undefined>;
}

type OnStore = (t: Test, setup: Setup) => Promise<void>;

function onBothStores(name: string, test: OnStore): void {
  onStores(Object.keys(STORES), name, test);
}

function onStores(kinds: readonly string[], name: string, test: OnStore): void {
  for (const [kind, start] of Object.entries(STORES)) {
    if (!kinds.includes(kind)) continue;
    t.test(`${name} (${kind})`, async (t) => {
      const directory = t.testdir();
      const open = await start(t, join(directory, 'owl.db'));
      const store = await open();
      const { marks } = store;
      if (marks === undefined) throw new Error('the store keeps no marks');
      await test(t, {
        ...{ store, marks },
        node: async (name) => nodeOn(t, await open(), join(directory, `${name}.db`)),
        counted: async (id) =>
          (await collect(store.readStream(`counter-${id}`))).map(({ data }) => data['what']),
        mark: async () => (await marks.read(NAME))?.value,
      });
    });
  }
}

async function reactTo(node: Node, reactor?: Reactor): Promise<ReactorRunner> {
  const reactions = node.runner(reactor);
  await reactions.start();
  await reactions.caughtUpTo(await node.store.head());
  return reactions;
}

onBothStores('a node that is new to the store begins where the others are', async (t, setup) => {
  const { store, node, counted, mark } = setup;
  await add(store, 'a', 1, 2);
  const first = await reactTo(await node('first'));
  t.equal(await mark(), undefined, 'nothing is written for two events');
  await first.stop();
  t.match(await mark(), { stream: 'tally-a', revision: 1, parked: [] }, 'at the end it is');

  const fresh = await node('fresh');
  const reactions = await reactTo(fresh);
  await reactions.caughtUpTo((await add(store, 'a', 3)).position);
  t.same(fresh.sent, ['a'], 'what is settled is not sent again');
  t.same(await counted('a'), ['1', '2', '3']);
});

/** A server takes its time for so many events, and how many are counted has nothing to do with it. */
onStores(['SQLite'], 'a mark is written when 1,000 events lie behind it', async (t, setup) => {
  const { store, node, mark } = setup;
  const reactions = await reactTo(await node('one'), { ...countsAmounts, react: () => [] });
  await add(store, 'a', ...Array.from({ length: 999 }, () => 1));
  await reactions.caughtUpTo(await store.head());
  t.equal(await mark(), undefined);
  await add(store, 'a', 1);
  await until('it is written', async () => (await mark()) !== undefined);
  t.match(await mark(), { revision: 999 });
});

onBothStores('a mark is written when a minute lies behind it', async (t, { store, node, mark }) => {
  const one = await node('one');
  const reactions = await reactTo(one);
  for (const revision of [0, 1]) {
    await reactions.caughtUpTo((await add(store, 'a', 1)).position);
    one.clock.advance(59_000);
    one.clock.advance(1_000);
    await until('it is written', async () => (await mark())?.['revision'] === revision);
    t.match(await mark(), { stream: 'tally-a', parked: [] });
  }
});

onBothStores('the mark stays before what is under way', async (t, { store, node, mark }) => {
  const one = await node('one');
  const slow = gate();
  one.hinder = (target) => (target === 'slow' ? slow.passed : undefined);
  const reactions = one.runner();
  await reactions.start();
  await add(store, 'a', 1);
  await add(store, 'slow', 1);
  await add(store, 'b', 1);
  await until('what is beyond is done', () => one.sent.length === 3);
  await until('it is written', async () => {
    one.clock.advance(60_000);
    return (await mark()) !== undefined;
  });
  t.match(await mark(), { stream: 'tally-a' });
  slow.open();
  await reactions.caughtUpTo(await store.head());
});

onBothStores('a mark only moves forward, and a node that is behind it follows', async (t, setup) => {
  const { store, node, mark, counted } = setup;
  await add(store, 'a', 1);
  const ahead = await reactTo(await node('ahead'));
  const behind = await reactTo(await node('behind'));
  await behind.stop();
  await ahead.caughtUpTo((await add(store, 'a', 2)).position);
  await ahead.stop();
  t.match(await mark(), { revision: 1 });

  // One that was begun by nobody else's mark, and ends behind it.
  const slow = await node('slow');
  const holding = gate();
  slow.hinder = () => holding.passed;
  const other = slow.runner({ ...countsAmounts, name: 'other' });
  await other.start();
  holding.open();
  await other.stop();
  t.match(await mark(), { revision: 1 }, 'another reactor has a mark of its own');

  const again = await node('behind');
  await reactTo(again);
  t.same(again.sent, [], 'what the other node has settled is not sent again');
  t.same(await counted('a'), ['1', '2']);
});

onBothStores('a local checkpoint that is ahead of the mark wins', async (t, { store, node, marks }) => {
  await add(store, 'a', 1);
  await (await reactTo(await node('one'))).stop();
  const old = await marks.read(NAME);
  await add(store, 'a', 2);
  await (await reactTo(await node('one'))).stop();
  t.ok(await marks.write(NAME, old?.value ?? {}, await marks.read(NAME)));
  const again = await node('one');
  await reactTo(again);
  t.same(again.sent, []);
});

onBothStores('a mark of another history, or of nothing, is not gone by', async (t, setup) => {
  const { store, node, marks, mark, counted } = setup;
  const { events } = await add(store, 'a', 1, 2);
  const [, last] = events;
  const { position = '', id = '' } = last ?? {};
  const place = { position, stream: 'tally-a', revision: 1, id };
  const whole = { ...place, began: '', categories: ['tally'], parked: [] };
  const lies: JsonObject[] = [
    { ...whole, id: 'another' },
    { ...whole, stream: 'tally-b' },
    { ...place, began: '', categories: ['tally'] },
    // As versions before wrote it.
    { ...place, parked: [] },
    { of: 'something else' },
  ];
  for (const [n, lie] of lies.entries()) {
    t.ok(await marks.write(NAME, lie, await marks.read(NAME)));
    const fresh = await node(`fresh-${n}`);
    const reactions = await reactTo(fresh);
    t.same(fresh.sent, ['a', 'a'], 'it begins at the beginning, as without one');
    await reactions.stop();
    t.match(await mark(), { stream: 'tally-a', revision: 1, id: last?.id }, 'and puts its own there');
  }
  t.same(await counted('a'), ['1', '2']);
});

onBothStores('what was parked elsewhere is parked here, too, and can be driven again', async (t, setup) => {
  const { store, node, counted } = setup;
  let broken = true;
  const breaks: Reactor = {
    ...countsAmounts,
    react: (event, context) => {
      if (broken && event.data['amount'] === 13) throw new TypeError('thirteen');
      return countsAmounts.react(event, context);
    },
  };
  const one = await node('one');
  const first = one.runner(breaks, { attempts: 1 });
  await first.start();
  await add(store, 'a', 1, 13, 2);
  await add(store, 'b', 1);
  await first.caughtUpTo(await store.head());
  t.equal(first.status().parked, 2);
  await first.stop();

  const fresh = await node('fresh');
  const reactions = await reactTo(fresh, breaks);
  t.same(fresh.sent, []);
  t.match(reactions.parked(), [
    { stream: 'tally-a', revision: 1, error: 'thirteen', attempts: 1 },
    { stream: 'tally-a', revision: 2, error: /waits behind revision 1/ },
  ]);
  await reactions.caughtUpTo((await add(store, 'a', 3)).position);
  t.equal(reactions.status().parked, 3, 'what follows in its stream stands behind it');
  broken = false;
  t.same(await reactions.redrive(), { redriven: 3, remaining: 0 });
  t.same(await counted('a'), ['1', '13', '2', '3']);
});

onBothStores('one that begins at now begins where the others are, if there are any', async (t, setup) => {
  const { store, node, marks, mark } = setup;
  const fromNow: Reactor = { ...countsAmounts, startFrom: 'now' };
  await add(store, 'a', 1);
  const first = await reactTo(await node('first'), fromNow);
  await first.caughtUpTo((await add(store, 'a', 2)).position);
  await first.stop();
  await add(store, 'a', 3);
  const { began: _, categories: __, ...ofBefore } = (await mark()) ?? {};
  const fresh = await node('fresh');
  const reactions = await reactTo(fresh, fromNow);
  t.same(fresh.sent, ['a'], 'what came while no node was there is not left out');
  await reactions.stop();

  await add(store, 'a', 4);
  const wider = await node('wider');
  await (await reactTo(wider, { ...fromNow, categories: ['tally', 'more'] })).stop();
  t.same(wider.sent, ['a'], 'nor where that node knew less categories');
  t.ok(await marks.write(NAME, ofBefore, await marks.read(NAME)));
  const newer = await node('newer');
  await reactTo(newer, fromNow);
  t.same(newer.sent, ['a', 'a'], 'nor where it was of a version before');
});

onBothStores('a mark that can not be written stops nothing', async (t, setup) => {
  const { store, node, counted, mark } = setup;
  const one = await node('one');
  const broken: Marks = {
    read: async () => undefined,
    write: () => Promise.reject(new Error('no marks today')),
  };
  const reactions = one.runner(undefined, { store: { ...one.store, marks: broken } });
  await reactions.start();
  await reactions.caughtUpTo((await add(store, 'a', 1)).position);
  one.clock.advance(60_000);
  await until('that is told', () => one.log.messages('warn').some((line) => /mark for other/.test(line)));
  await reactions.caughtUpTo((await add(store, 'a', 2)).position);
  await reactions.stop();
  t.same(await counted('a'), ['1', '2']);
  t.equal(await mark(), undefined);
});

onBothStores('what one that began at now has never seen is not left out by others', async (t, setup) => {
  const { store, node, counted, mark } = setup;
  const fromNow: Reactor = { ...countsAmounts, startFrom: 'now' };
  await add(store, 'a', 1);
  const first = await node('first');
  const crashed = first.runner(fromNow, { store: delegating(first.store, { marks: undefined }) });
  await crashed.start();
  await crashed.caughtUpTo((await add(store, 'a', 2)).position);
  await crashed.stop();
  await add(store, 'a', 3);
  const later = await reactTo(await node('later'), fromNow);
  await later.caughtUpTo((await add(store, 'a', 4)).position);
  await later.stop();
  t.same(await counted('a'), ['2', '4']);

  const again = await node('first');
  const caughtUp = await reactTo(again, fromNow);
  t.same(again.sent, ['a', 'a'], 'it goes on where it was');
  t.same(await counted('a'), ['2', '4', '3']);
  await caughtUp.stop();
  const { began } = (await mark()) ?? {};
  const [one, two] = await collect(store.readStream('tally-a'));
  t.ok(one && two && began !== undefined && began !== null);
  t.ok(
    String(began) >= String(one?.position) && String(began) < String(two?.position),
    'both say it together',
  );

  const fromStart = await node('from-start');
  const reactions = await reactTo(fromStart);
  t.equal(fromStart.sent.length, 4, 'who is to begin at the beginning does');
  t.same(await counted('a'), ['2', '4', '3', '1']);
  await reactions.stop();
  t.match(await mark(), { began: '', revision: 3 }, 'and says so');
});

onBothStores('a mark of other categories is not gone by', async (t, setup) => {
  const { store, node, counted, mark } = setup;
  const wider: Reactor = { ...countsAmounts, categories: ['tally', 'more'] };
  const more: ProposedEvent = {
    ...{ id: randomUUID(), type: 'Added', version: 1, data: { amount: 7 } },
    metadata: { time: 0, $correlationId: 'test', $causationId: 'test' },
  };
  await store.append('more-m', 'noStream', [more]);
  await add(store, 'a', 1);
  const before = await node('before');
  await (await reactTo(before)).stop();
  t.match(await mark(), { categories: ['tally'] });

  const fresh = await node('fresh');
  const reactions = await reactTo(fresh, wider);
  t.same(fresh.sent.toSorted(), ['a', 'm']);
  t.same(await counted('m'), ['7']);
  await reactions.stop();
  t.match(await mark(), { categories: ['more', 'tally'] });
  const narrow = await node('narrow');
  await (await reactTo(narrow)).stop();
  t.same(narrow.sent, ['a'], 'nor is one of more, of which more may be parked');

  const updated = await node('before');
  await (await reactTo(updated, wider)).stop();
  t.same(updated.sent.toSorted(), ['a', 'm'], 'who has not seen a category begins again');
  const same = await node('before');
  await (await reactTo(same, { ...wider, categories: ['more', 'tally'] })).stop();
  t.same(same.sent, [], 'once');
  for (const id of ['a', 'm']) t.equal((await counted(id)).length, 1, 'nothing is done twice');
});

onStores(
  ['SQLite'],
  'one that can not be written is tried again after a minute, not with each event',
  async (t, setup) => {
    const { store, node, marks, mark } = setup;
    const one = await node('one');
    let tries = 0;
    let away = true;
    const broken: Marks = {
      read: (name) => marks.read(name),
      write: async (...given) => {
        tries += 1;
        if (away) throw new Error('no marks today');
        return marks.write(...given);
      },
    };
    const reactions = one.runner(
      { ...countsAmounts, react: () => [] },
      { store: { ...one.store, marks: broken } },
    );
    await reactions.start();
    await reactions.caughtUpTo((await add(store, 'a', ...Array.from({ length: 1_000 }, () => 1))).position);
    await until('it was tried', () => tries === 1);
    for (let n = 0; n < 10; n++) {
      await reactions.caughtUpTo((await add(store, 'a', n)).position);
      await nextTurn();
    }
    t.equal(tries, 1);
    away = false;
    one.clock.advance(60_000);
    await until('it is written', async () => (await mark())?.['revision'] === 1_009);
    t.equal(tries, 2);
  },
);

t.test('the tables of runtime and embedded store have names that are known to be theirs', async (t) => {
  const file = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(file);
  t.teardown(() => store.close());
  const node = nodeOn(t, store, file);
  await add(store, 'a', 1);
  const runtime = openRuntime({
    ...{ store, databasePath: file, actorTypes: [counter], projections: [] },
    ...{ clock: node.clock, logger: node.log.logger },
  });
  t.teardown(() => runtime.close());
  await runtime.start(async () => []);
  await (await reactTo(node)).stop();
  const tables = node.db.prepare("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").all();
  const names = tables.map(({ name }) => String(name)).filter((name) => !name.startsWith('sqlite_'));
  t.ok(names.includes('marks'));
  t.same(
    names.filter((name) => !RUNTIME_TABLES.includes(name)),
    [],
  );
});
