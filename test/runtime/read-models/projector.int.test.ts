import t from 'tap';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type {
  EventStore,
  RecordedEvent,
  SubscribeOptions,
} from '../../../src/runtime/event-store/event-store.js';
import { START } from '../../../src/runtime/event-store/event-store.js';
import { Checkpoints } from '../../../src/runtime/readers/checkpoints.js';
import { projecting } from '../../support/projecting.js';
import { until } from '../../support/until.js';
import { add, appendTo, rowsOf, talliesProjection } from '../support/tallies.js';

t.test('applies every event of its categories once, also what was there before it started', async (t) => {
  const { store, db, projector } = projecting(t);
  await add(store, 'a', 1, 2);
  await appendTo(store, 'other-a', [100]);
  const tallies = projector(talliesProjection());
  await tallies.start();
  const { position } = await add(store, 'b', 5);
  await tallies.caughtUpTo(position);

  t.match(rowsOf(db), [
    { stream: 'tally-a', total: 3, applied: 2, revision: 1 },
    { stream: 'tally-b', total: 5, applied: 1, revision: 0 },
  ]);
  t.match(tallies.status(), {
    name: 'tallies',
    checkpoint: position,
    head: position,
    caughtUp: true,
    behindMs: 0,
  });
});

t.test('an event given twice is applied once', async (t) => {
  const { store, db, projector } = projecting(t);
  await add(store, 'a', 1, 2);
  await add(store, 'b', 3);
  const tallies = projector(talliesProjection(), { store: givingTwice(store), batchSize: 2 });
  await tallies.start();
  const { position } = await add(store, 'a', 4);
  await tallies.caughtUpTo(position);

  t.match(rowsOf(db), [
    { stream: 'tally-a', total: 7, applied: 3 },
    { stream: 'tally-b', total: 3, applied: 1 },
  ]);
  t.equal(tallies.status().parked, 0);
});

t.test('goes on where it was after restarts, whatever was appended meanwhile', async (t) => {
  const { store, projector, openReadModels } = projecting(t);
  for (const amount of [1, 2, 3, 4]) {
    await add(store, 'a', amount);
    const db = openReadModels();
    const tallies = projector(talliesProjection(), { db });
    await tallies.start();
    const { position } = await add(store, 'b', amount);
    await tallies.caughtUpTo(position);
    await tallies.stop();
    db.close();
  }

  t.match(rowsOf(openReadModels()), [
    { stream: 'tally-a', total: 10, applied: 4 },
    { stream: 'tally-b', total: 10, applied: 4 },
  ]);
});

t.test('two projectors on one database never both apply, and both tell what was applied', async (t) => {
  const { store, projector, openReadModels } = projecting(t);
  const heard: number[][] = [[], []];
  const both = heard.map((amounts) => {
    const tallies = projector(talliesProjection(), { db: openReadModels(), batchSize: 3 });
    tallies.onApplied((events) => amounts.push(...events.map(amountOf)));
    return tallies;
  });
  await Promise.all(both.map((tallies) => tallies.start()));
  const amounts = Array.from({ length: 200 }, (_, i) => i);
  for (const amount of amounts) await add(store, `${amount % 7}`, amount);
  const head = await store.head();
  await Promise.all(both.map((tallies) => tallies.caughtUpTo(head)));

  const rows = rowsOf(openReadModels());
  t.equal(
    rows.reduce((total, row) => total + Number(row['total']), 0),
    199 * 100,
  );
  t.equal(
    rows.reduce((applied, row) => applied + Number(row['applied']), 0),
    200,
  );
  t.same(heard, [amounts, amounts]);
  t.match(
    both.map((tallies) => tallies.status()),
    [{ parked: 0 }, { parked: 0 }],
    'the loser of a race did not even try',
  );
});

t.test(
  'a checkpoint that passes events of other categories is written now and then, and at stop',
  async (t) => {
    const { store, db, clock, projector } = projecting(t);
    const tallies = projector(talliesProjection(), { restMs: 1000 });
    await tallies.start();
    const { position } = await add(store, 'a', 1);
    await tallies.caughtUpTo(position);
    const saved = () => new Checkpoints(db).read('tallies')?.position;
    const passOther = async () => {
      const other = await appendTo(store, 'other-a', [1]);
      await tallies.caughtUpTo(other.position);
      return other.position;
    };

    await passOther();
    t.equal(saved(), position, 'not for each batch');
    clock.advance(1000);
    const second = await passOther();
    t.equal(saved(), second, 'after a while');
    const third = await passOther();
    t.equal(saved(), second);
    await tallies.stop();
    t.equal(saved(), third, 'at stop');
  },
);

t.test('caughtUpTo', async (t) => {
  const { store, db, projector } = projecting(t);
  const tallies = projector(talliesProjection());
  const { position } = await add(store, 'a', 1);
  const early = tallies.caughtUpTo(position);
  await tallies.start();
  await early;
  t.match(rowsOf(db), [{ total: 1 }], 'who asked before the start is answered too');
  await tallies.caughtUpTo(position);
  await tallies.caughtUpTo(START);

  const never = '9999999999999999';
  const abort = new AbortController();
  const aborted = tallies.caughtUpTo(never, abort.signal);
  abort.abort(new Error('asked no longer'));
  await t.rejects(aborted, { message: 'asked no longer' });
  await t.rejects(tallies.caughtUpTo(never, abort.signal), { message: 'asked no longer' });

  const inOrder: number[] = [];
  const waiting = [3, 1, 2].map(async (n) => {
    await tallies.caughtUpTo(String(n + 10).padStart(16, '0'));
    inOrder.push(n);
  });
  for (let i = 0; i < 15; i++) await add(store, 'a', 1);
  await Promise.all(waiting);
  t.same(inOrder, [1, 2, 3]);

  const unanswered = t.rejects(tallies.caughtUpTo(never), /tallies is stopped/);
  await tallies.stop();
  await unanswered;
  await t.rejects(tallies.caughtUpTo(position), /is stopped/, 'once stopped, nothing is promised');
});

t.test('a store that does not tell of events that do not match keeps nobody waiting', async (t) => {
  const { store, db, projector } = projecting(t);
  await add(store, 'a', 1);
  await appendTo(store, 'other-a', [1]);
  const tallies = projector(talliesProjection(), { store: tellingOfMatchesOnly(store) });
  await tallies.start();
  await tallies.caughtUpTo(await store.head());
  await tallies.rebuild();
  t.match(rowsOf(db), [{ total: 1 }]);
});

t.test('a listener that throws hurts neither the projector nor other listeners', async (t) => {
  const { store, db, log, projector } = projecting(t);
  const tallies = projector(talliesProjection());
  const heard: string[] = [];
  tallies.onApplied(() => {
    throw new Error('listener broke');
  });
  const forget = tallies.onApplied((events) => heard.push(...events.map(({ stream }) => stream)));
  await tallies.start();
  await tallies.caughtUpTo((await add(store, 'a', 1)).position);
  forget();
  await tallies.caughtUpTo((await add(store, 'b', 1)).position);

  t.same(heard, ['tally-a']);
  t.equal(rowsOf(db).length, 2);
  t.equal(log.messages('error').length, 2);
});

t.test('a store that fails is waited for', async (t) => {
  const { store, db, clock, projector } = projecting(t);
  let away = false;
  const failing: EventStore = delegating(store, {
    subscribe: (options) => breaking(store.subscribe(options), () => away),
  });
  const tallies = projector(talliesProjection(), { store: failing });
  await tallies.start();
  await tallies.caughtUpTo((await add(store, 'a', 1)).position);
  away = true;
  const { position } = await add(store, 'a', 2);
  await until('the failure shows', () => tallies.status().lastError !== undefined);
  t.match(tallies.status(), { caughtUp: false, lastError: 'the store is away' });
  clock.advance(60_000);
  t.ok(tallies.status().behindMs >= 60_000);
  t.match(rowsOf(db), [{ total: 1 }]);

  away = false;
  await until('it is caught up again', () => {
    clock.advance(1000);
    return tallies.status().checkpoint >= position;
  });
  t.match(rowsOf(db), [{ total: 3 }]);
  t.equal(tallies.status().lastError, undefined);
});

t.test('a full disk is waited for: nothing is parked and nothing is lost', async (t) => {
  const { store, clock, log, projector, openReadModels } = projecting(t);
  const db = openReadModels();
  const tallies = projector(talliesProjection(), { db });
  await tallies.start();
  await tallies.caughtUpTo((await add(store, 'a', 1)).position);
  // Pages already in the file are free to be used; a row larger than any of them needs new ones.
  db.exec('PRAGMA max_page_count = 1');
  const large = 'x'.repeat(500_000);
  const { position } = await appendTo(store, 'tally-b', [2], large);
  await add(store, 'c', 3);
  await until('the failure shows', () => /could not grow/.test(tallies.status().lastError ?? ''));
  const before = log.messages('warn').length;
  await until('it was tried again', () => {
    clock.advance(10_000);
    return log.messages('warn').length > before + 5;
  });
  t.match(tallies.status(), { parked: 0, caughtUp: false });
  t.match(rowsOf(db), [{ stream: 'tally-a', total: 1 }]);

  db.exec('PRAGMA max_page_count = 1000000');
  await until('it is caught up again', () => {
    clock.advance(10_000);
    return tallies.status().caughtUp && tallies.status().checkpoint > position;
  });
  t.match(rowsOf(db), [
    { stream: 'tally-a', total: 1 },
    { stream: 'tally-b', total: 2, note: large },
    { stream: 'tally-c', total: 3 },
  ]);
  t.equal(tallies.status().parked, 0);
});

function amountOf({ data }: RecordedEvent): number {
  return Number(data['amount']);
}

/** Gives each batch again, together with the one before. */
function givingTwice(store: EventStore): EventStore {
  return delegating(store, {
    subscribe: async function* (options?: SubscribeOptions) {
      let before: readonly RecordedEvent[] = [];
      for await (const batch of store.subscribe(options)) {
        yield batch;
        yield { ...batch, events: [...before, ...batch.events] };
        before = batch.events;
      }
    },
  });
}

async function* breaking<T>(batches: AsyncIterable<T>, away: () => boolean): AsyncGenerator<T> {
  for await (const batch of batches) {
    if (away()) throw new Error('the store is away');
    yield batch;
  }
}

/** Its checkpoints stay at the last event it gave. */
function tellingOfMatchesOnly(store: EventStore): EventStore {
  return delegating(store, {
    subscribe: async function* (options: SubscribeOptions = {}) {
      let checkpoint = options.after ?? START;
      for await (const batch of store.subscribe(options)) {
        checkpoint = batch.events.at(-1)?.position ?? checkpoint;
        yield { ...batch, checkpoint };
      }
    },
  });
}
