import t from 'tap';
import { StoreUnavailableError } from '../../../src/base/errors.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { LifeCycle, type LifeCycleEvent } from '../../../src/runtime/life-cycle/life-cycle.js';
import { readerOf } from '../../../src/runtime/readers/reader.js';
import { projecting } from '../../support/projecting.js';
import { add, appendTo, rowsOf, talliesProjection } from '../support/tallies.js';

const isPoison = ({ data }: RecordedEvent) => data['amount'] === 13;

t.test('an event that can not be applied is parked; its stream waits behind it, others go on', async (t) => {
  const { store, db, clock, log, projector } = projecting(t);
  let tried = 0;
  const refuse = (event: RecordedEvent) => {
    if (!isPoison(event)) return;
    tried += 1;
    throw new Error('thirteen');
  };
  const lifeCycle = new LifeCycle(log.logger, clock);
  const told: string[] = [];
  lifeCycle.on('event parked', ({ reader, stream, event }) => told.push(`${reader} ${stream} ${event}`));
  const tallies = projector(talliesProjection({ before: refuse }), { attempts: 4, lifeCycle });
  // One batch: what comes before and after the bad event in it is applied all the same.
  await add(store, 'a', 1);
  await add(store, 'b', 1);
  const bad = await add(store, 'a', 13);
  await add(store, 'b', 2);
  await add(store, 'a', 2);
  await tallies.start();
  await tallies.caughtUpTo(await store.head());
  // A later batch.
  await add(store, 'a', 3);
  await tallies.caughtUpTo((await add(store, 'c', 4)).position);

  t.match(rowsOf(db), [
    { stream: 'tally-a', total: 1, applied: 1 },
    { stream: 'tally-b', total: 3, applied: 2 },
    { stream: 'tally-c', total: 4, applied: 1 },
  ]);
  t.match(tallies.parked(), [
    {
      reader: 'tallies',
      position: bad.position,
      stream: 'tally-a',
      revision: 1,
      type: 'Added',
      error: 'thirteen',
      attempts: 4,
      parkedAt: clock.now(),
    },
    { revision: 2, error: /waits behind revision 1 .*thirteen/, attempts: 0 },
    { revision: 3, error: /waits behind revision 1/, attempts: 0 },
  ]);
  const [first] = tallies.parked();
  t.match(JSON.parse(first?.event ?? ''), { stream: 'tally-a', revision: 1, data: { amount: 13 } });
  t.equal(tried, 5, 'once with its batch, then as often as allowed');
  t.match(tallies.status(), { parked: 3, caughtUp: true });
  t.same(
    told,
    Array.from({ length: 3 }, () => 'tallies tally-a Added'),
  );
});

t.test('parked events stay parked, and go on blocking their stream, across a restart', async (t) => {
  const { store, projector, openReadModels } = projecting(t);
  const refuse = (event: RecordedEvent) => {
    if (isPoison(event)) throw new Error('thirteen');
  };
  const before = projector(talliesProjection({ before: refuse }));
  await before.start();
  await before.caughtUpTo((await add(store, 'a', 13)).position);
  await before.stop();
  const db = openReadModels();
  const after = projector(talliesProjection(), { db });
  await after.start();
  await after.caughtUpTo((await add(store, 'a', 1)).position);

  t.same(rowsOf(db), []);
  t.match(after.parked(), [{ revision: 0 }, { revision: 1 }]);
});

t.test('redrive applies what is parked in order, and what still fails stays', async (t) => {
  const { store, db, clock, log, projector } = projecting(t);
  const broken = new Set(['tally-a', 'tally-b']);
  const refuse = (event: RecordedEvent) => {
    if (isPoison(event) && broken.has(event.stream)) throw new Error('thirteen');
  };
  const tallies = projector(talliesProjection({ before: refuse }));
  await tallies.start();
  for (const id of ['a', 'b']) {
    await add(store, id, 1);
    await add(store, id, 13);
    await add(store, id, 2);
  }
  await tallies.caughtUpTo(await store.head());
  const told: string[] = [];
  tallies.onApplied((events) => told.push(...events.map(({ stream, revision }) => `${stream}@${revision}`)));

  t.same(await tallies.redrive(), { redriven: 0, remaining: 4 });
  t.match(tallies.parked()[0], { attempts: 4 }, 'tried once more');
  broken.delete('tally-a');
  t.same(await tallies.redrive(), { redriven: 2, remaining: 2 });
  t.same(told, ['tally-a@1', 'tally-a@2']);
  t.match(rowsOf(db), [
    { stream: 'tally-a', total: 16, applied: 3, revision: 2 },
    { stream: 'tally-b', total: 1, applied: 1 },
  ]);

  broken.clear();
  const lifeCycle = new LifeCycle(log.logger, clock);
  const driven: LifeCycleEvent[] = [];
  lifeCycle.on('events redriven', (event) => driven.push(event));
  const reader = readerOf('projection', tallies, lifeCycle);
  t.same(await reader.redrive('tally-nothing'), { redriven: 0, remaining: 2 });
  t.same(await reader.redrive('tally-b'), { redriven: 2, remaining: 0 });
  t.match(driven, [
    { reader: 'tallies', redriven: 0, remaining: 2 },
    { reader: 'tallies', redriven: 2, remaining: 0 },
  ]);
  const { position } = await add(store, 'b', 4);
  await tallies.caughtUpTo(position);
  t.match(rowsOf(db), [
    { stream: 'tally-a', total: 16 },
    { stream: 'tally-b', total: 20, applied: 4 },
  ]);
  t.equal(tallies.status().parked, 0);
});

t.test('events that come while a stream is driven again keep their order', async (t) => {
  const { store, db, projector } = projecting(t);
  let broken = true;
  const refuse = (event: RecordedEvent) => {
    if (broken && isPoison(event)) throw new Error('thirteen');
  };
  const tallies = projector(talliesProjection({ before: refuse }));
  await tallies.start();
  await add(store, 'a', 13);
  for (let i = 0; i < 50; i++) await add(store, 'a', 1);
  await tallies.caughtUpTo(await store.head());
  broken = false;
  const redriving = tallies.redrive();
  for (let i = 0; i < 50; i++) await add(store, 'a', 1);
  await redriving;
  await tallies.caughtUpTo(await store.head());
  await tallies.redrive();

  t.match(rowsOf(db), [{ stream: 'tally-a', total: 113, applied: 101, revision: 100 }]);
  t.equal(tallies.status().parked, 0);
});

t.test('an event that is called unreadable is parked without being tried', async (t) => {
  const { store, db, projector } = projecting(t);
  let readable = false;
  const tallies = projector(talliesProjection(), {
    problemOf: ({ data }) => (data['amount'] === 'seven' && !readable ? 'no schema for this' : undefined),
  });
  await tallies.start();
  await appendTo(store, 'tally-a', [1]);
  await appendTo(store, 'tally-a', ['seven']);
  await tallies.caughtUpTo((await appendTo(store, 'tally-b', [2])).position);
  t.match(tallies.parked(), [{ stream: 'tally-a', revision: 1, error: 'no schema for this' }]);
  t.match(rowsOf(db), [{ total: 1 }, { total: 2 }]);

  t.same(await tallies.redrive(), { redriven: 0, remaining: 1 });
  readable = true;
  t.same(await tallies.redrive(), { redriven: 0, remaining: 1 });
  t.match(tallies.parked(), [{ error: 'amount is "seven"' }], 'read now, and refused by the projection');
});

t.test('an event whose schema is not known is parked, and driven again once it is', async (t) => {
  const { store, db, projector } = projecting(t);
  await appendTo(store, 'tally-a', [1]);
  await appendTo(store, 'tally-a', [2]);
  await add(store, 'b', 3);
  const start = async (registry: SchemaRegistry) => {
    const tallies = projector(talliesProjection(), {
      store: withSchemas(store, registry),
      problemOf: (event) => registry.problemOf(event),
    });
    await tallies.start();
    await tallies.caughtUpTo(await store.head());
    return tallies;
  };
  const before = await start(new SchemaRegistry([{ category: 'tally', events: {} }]));
  t.match(
    before.parked().map(({ error }) => error),
    [/knows no such event/, /knows no such event/, /knows no such event/],
  );
  t.same(await before.redrive(), { redriven: 0, remaining: 3 }, 'one stream that fails again stops no other');
  t.match(before.parked(), [{ attempts: 2 }, { attempts: 1 }, { attempts: 2 }]);
  await before.stop();

  const events = { Added: { version: 1, fields: { amount: 'integer' } } } as const;
  const after = await start(new SchemaRegistry([{ category: 'tally', events }]));
  t.same(await after.redrive(), { redriven: 3, remaining: 0 });
  t.match(rowsOf(db), [{ total: 3 }, { total: 3 }]);
});

t.test('a store that is away while driving again leaves what is parked as it was', async (t) => {
  const { store, projector } = projecting(t);
  const away = delegating(store, {
    readStream: () => {
      throw new StoreUnavailableError('the store is away', 'refused');
    },
  });
  const tallies = projector(talliesProjection(), { store: away });
  await tallies.start();
  await tallies.caughtUpTo((await appendTo(store, 'tally-a', ['none'])).position);
  const parked = tallies.parked();
  await t.rejects(tallies.redrive(), /the store is away/);
  t.same(tallies.parked(), parked);
});
