/** Copying a history between the embedded store and EventStoreDB: what is kept, when it is refused, and how it goes on. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/clock.js';
import {
  type CopyProgress,
  type CopyResult,
  copyStore,
} from '../../../src/runtime/event-store/copy-store.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect, ofKind, propose, proposeMany } from '../../support/events.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { contentOf, fill } from '../../support/histories.js';

const EVENTS = { streams: 100, eventsPerStream: 11 };
const TOTAL = 1_100;

interface CopyCall {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CopyProgress) => void;
}

function copy(from: EventStore, to: EventStore, call: CopyCall = {}): Promise<CopyResult> {
  return copyStore({
    from,
    to,
    clock: systemClock,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...call,
  });
}

function openEmbedded(t: Test): EventStore {
  const store = openSqliteEventStore(join(t.testdir(), 'owl.db'));
  t.teardown(() => store.close());
  return store;
}

async function openServer(t: Test): Promise<EventStore> {
  return openStore(t, await startNode(t));
}

const DIRECTIONS: readonly [string, (t: Test) => Promise<readonly [from: EventStore, to: EventStore]>][] = [
  ['embedded to EventStoreDB', async (t) => [openEmbedded(t), await openServer(t)]],
  ['EventStoreDB to embedded', async (t) => [await openServer(t), openEmbedded(t)]],
];

for (const [direction, openBoth] of DIRECTIONS) {
  await t.test(direction, async (t) => {
    await t.test('keeps all that travels with an event, and says how far it is', async (t) => {
      const [from, to] = await openBoth(t);
      await fill(from, EVENTS);
      const seen: CopyProgress[] = [];
      const result = await copy(from, to, { onProgress: (progress) => seen.push(progress) });
      t.match(result, { events: TOTAL, streams: 100, resumedAt: 0, foreignEvents: 0 });
      t.strictSame(await contentOf(to), await contentOf(from));
      t.strictSame(
        [...new Set(seen.map(({ step }) => step))],
        ['reading the target', 'reading the source', 'copying', 'verifying'],
      );
      t.match(seen.at(-1), { events: TOTAL, total: TOTAL });
      t.ok(
        seen.some(({ step, events }) => step === 'copying' && events > 0 && events < TOTAL),
        'in chunks',
      );
    });

    await t.test('changes nothing when it is done already, and goes on when there is more', async (t) => {
      const [from, to] = await openBoth(t);
      await fill(from, { streams: 3, eventsPerStream: 4 });
      const first = await copy(from, to);
      const head = await to.head();
      const again = await copy(from, to);
      t.match(again, { events: 12, resumedAt: 12, digest: first.digest });
      t.equal(await to.head(), head);
      await from.append('history-1', 3, proposeMany(2));
      t.match(await copy(from, to), { events: 14, resumedAt: 12 });
      t.strictSame(await contentOf(to), await contentOf(from));
    });

    await t.test('goes on where it was interrupted', async (t) => {
      const [from, to] = await openBoth(t);
      await fill(from, EVENTS);
      const interruption = new AbortController();
      const interrupted = copy(from, to, {
        signal: interruption.signal,
        onProgress: ({ step, events }) => {
          if (step === 'copying' && events > 0) interruption.abort(new Error('interrupted'));
        },
      });
      await t.rejects(interrupted, { message: 'interrupted' });
      const there = (await collect(to.readAll())).length;
      t.ok(there > 0 && there < TOTAL, `${there} events are there`);
      t.match(await copy(from, to), { events: TOTAL, resumedAt: there });
      t.strictSame(await contentOf(to), await contentOf(from));
    });

    await t.test('refuses a target that holds something else, and leaves it as it is', async (t) => {
      for (const stream of ['history-1', 'other-1']) {
        const [from, to] = await openBoth(t);
        const events = proposeMany(1);
        await from.append('history-1', 'noStream', events);
        await from.append('history-2', 'noStream', proposeMany(1));
        await to.append('history-1', 'noStream', events);
        await to.append(stream, 'any', proposeMany(1));
        const head = await to.head();
        await t.rejects(copy(from, to), { ...ofKind('refused'), message: `stream ${stream} in it` });
        t.equal(await to.head(), head, 'nothing was written');
      }
    });

    await t.test('refuses a target whose events differ in a single value', async (t) => {
      const event = propose({ n: 1 });
      const different = [
        { ...event, data: { n: 2 } },
        { ...event, version: 2 },
        { ...event, type: 'Other' },
        { ...event, id: crypto.randomUUID() },
        { ...event, metadata: { ...event.metadata, time: event.metadata.time + 1 } },
      ];
      for (const other of different) {
        const [from, to] = await openBoth(t);
        await from.append('history-1', 'noStream', [event, propose()]);
        await to.append('history-1', 'noStream', [other]);
        await t.rejects(copy(from, to), { ...ofKind('refused'), message: /isn't empty.*history-1/ });
      }
    });

    await t.test('finds a target that was damaged', async (t) => {
      const [from, to] = await openBoth(t);
      await fill(from, { streams: 3, eventsPerStream: 3 });
      const forgetful = delegating(to, {
        append: (stream, expected, events) =>
          to.append(
            stream,
            expected,
            events.map((event) =>
              stream === 'history-1' ? { ...event, metadata: { ...event.metadata, time: 0 } } : event,
            ),
          ),
      });
      await t.rejects(copy(from, forgetful), { ...ofKind('refused'), message: /not good.*history-1 / });
    });

    await t.test('finds events that went missing, and some that came from elsewhere', async (t) => {
      const [from, to] = await openBoth(t);
      await fill(from, { streams: 3, eventsPerStream: 3 });
      const lossy = delegating(to, {
        append: (stream, expected, events) =>
          to.append(stream, expected, stream === 'history-2' ? events.slice(0, 1) : events),
      });
      await t.rejects(copy(from, lossy), { ...ofKind('refused'), message: /not good.*history-2 / });
      const [, third] = await openBoth(t);
      const holed = delegating(third, {
        async *readAll(options) {
          for await (const event of third.readAll(options)) if (event.revision !== 1) yield event;
        },
      });
      await t.rejects(copy(from, holed), { ...ofKind('refused'), message: /not good.*history-/ });
      const [, other] = await openBoth(t);
      const shared = delegating(other, {
        async append(stream, expected, events) {
          await other.append('foreign-1', 'any', proposeMany(1));
          return other.append(stream, expected, events);
        },
      });
      await t.rejects(copy(from, shared), { ...ofKind('refused'), message: /not good.*foreign-1 / });
    });

    await t.test('is not done while the source takes events, and goes on with them', async (t) => {
      const [from, to] = await openBoth(t);
      await fill(from, { streams: 2, eventsPerStream: 2 });
      const busy = delegating(from, {
        async *readAll(options) {
          yield* from.readAll(options);
          if (options?.after === undefined) await from.append('history-0', 'any', proposeMany(1));
        },
      });
      await t.rejects(copy(busy, to), { ...ofKind('refused'), message: /meanwhile, in stream history-0 / });
      t.equal((await collect(to.readAll())).length, 4, 'what came later is not there');
      t.match(await copy(from, to), { events: 5, resumedAt: 4 });
      t.strictSame(await contentOf(to), await contentOf(from));
    });

    await t.test('refuses an empty source, and one that has lost events', async (t) => {
      const [from, to] = await openBoth(t);
      await t.rejects(copy(from, to), { ...ofKind('refused'), message: /no events/ });
      await fill(from, { streams: 1, eventsPerStream: 3 });
      const scavenged = delegating(from, {
        async *readAll(options) {
          for await (const event of from.readAll(options)) if (event.revision > 0) yield event;
        },
      });
      await t.rejects(copy(scavenged, to), { ...ofKind('refused'), message: /deleted/ });
      t.strictSame(await collect(to.readAll()), []);
    });
  });
}

await t.test('there and back again', async (t) => {
  const [here, there, back] = [openEmbedded(t), await openServer(t), openSqliteEventStore(':memory:')];
  t.teardown(() => back.close());
  await fill(here, { streams: 7, eventsPerStream: 5 });
  const out = await copy(here, there);
  const home = await copy(there, back);
  t.equal(home.digest, out.digest);
  t.strictSame(await contentOf(back), await contentOf(here));
});

await t.test('large events go in appends that a server takes', async (t) => {
  const [from, to] = [openEmbedded(t), await openServer(t)];
  const large = Array.from({ length: 20 }, (_, n) => propose({ n, text: 'é'.repeat(100_000) }));
  await from.append('history-1', 'noStream', large);
  t.match(await copy(from, to), { events: 20, streams: 1 });
  t.strictSame(await contentOf(to), await contentOf(from));
});

await t.test(
  'answers that are lost and a server that is busy leave no event out and none twice',
  async (t) => {
    const node = await startNode(t);
    const [from, to] = [openEmbedded(t), await openStore(t, node)];
    await fill(from, { streams: 20, eventsPerStream: 10 });
    let faults = 0;
    await copy(from, to, {
      onProgress: ({ step }) => {
        if (step !== 'copying' || faults > 0) return;
        faults = 3;
        node.faults.lostAnswers = 3;
        node.faults.busyCalls = 1;
      },
    });
    t.equal(node.faults.lostAnswers, 0, 'they were lost');
    t.strictSame(await contentOf(to), await contentOf(from));
  },
);

await t.test('a target with a stream that lost its beginning is not empty', async (t) => {
  const node = await startNode(t);
  const [from, to] = [openEmbedded(t), await openStore(t, node)];
  await fill(from, { streams: 2, eventsPerStream: 2 });
  const { events } = await to.append('foreign-1', 'noStream', proposeMany(2));
  const outdated = node.log.records.find(({ id }) => id === events[0]?.id);
  if (outdated === undefined) throw new Error('what was appended is in the log');
  node.log.index.scavenge(outdated);
  await t.rejects(copy(from, to), {
    ...ofKind('refused'),
    message: /isn't empty, and stream foreign-1 in it/,
  });
});

await t.test('streams of other programs stay where they are', async (t) => {
  const node = await startNode(t);
  const [from, to] = [await openStore(t, node), openEmbedded(t)];
  await fill(from, { streams: 2, eventsPerStream: 2 });
  node.log.append('nodash', 'any', [
    {
      id: crypto.randomUUID(),
      type: 'Foreign',
      json: true,
      data: Buffer.from('{}'),
      metadata: Buffer.from(''),
    },
  ]);
  t.match(await copy(from, to), { events: 4, streams: 2, foreignEvents: 1 });
  t.strictSame(Object.keys(await contentOf(to)).sort(), ['history-0', 'history-1']);
});

await t.test('what is no event any more goes along as its bytes, and is none in the copy', async (t) => {
  const node = await startNode(t);
  const [from, to] = [await openStore(t, node), openEmbedded(t)];
  await from.append('door-1', 'noStream', [propose({ n: 1 })]);
  const record = { id: propose().id, type: 'Counted', json: true };
  node.log.append('door-1', 0, [{ ...record, data: Buffer.from('oops'), metadata: Buffer.from('x') }]);
  await from.append('door-1', 1, [propose({ n: 3 })]);
  t.match(await copy(from, to), { events: 3, resumedAt: 0 });
  const [first, second, third] = await collect(to.readStream('door-1'));
  t.match([first?.data, third?.data], [{ n: 1 }, { n: 3 }]);
  t.match(second?.data, { base64: Buffer.from('oops').toString('base64') });
  const events = { Counted: { version: 1, fields: { n: 'integer?' } } } as const;
  const registry = new SchemaRegistry([{ category: 'door', events }]);
  for (const store of [from, to]) {
    const all = await collect(withSchemas(store, registry).readAll());
    t.match(
      all.map((event) => registry.problemOf(event)),
      [undefined, /revision 1 of door-1/, undefined],
    );
  }
  t.match(await copy(from, to), { events: 3, resumedAt: 3 }, 'again it is the same');
});
