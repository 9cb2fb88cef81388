/** Actors that begin without a look at their stream, and those that are let go of once they are over. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OwlError, StoreUnavailableError } from '../../../src/base/errors.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { ActorType, Command } from '../../../src/runtime/actors/actor-type.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { valuesOf } from '../../support/events.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until } from '../../support/until.js';
import { account, close, type machine, pay } from './account.js';

interface World {
  /** The file of the store. */
  readonly path: string;
  readonly system: ActorSystem;
  /** As another node, or this one behind a restart. */
  another(): ActorSystem;
  /** Streams that were read. */
  readonly read: string[];
}

const type: ActorType<typeof machine> = { ...account, isOver: ({ value }) => value === 'closed' };

function start(t: Test, change: (store: EventStore) => EventStore = (store) => store): World {
  const path = join(t.testdir(), 'owl.db');
  const inner = openSqliteEventStore(path);
  t.teardown(() => inner.close());
  const read: string[] = [];
  const counted = delegating(inner, {
    readStream: (stream, options) => {
      read.push(stream);
      return inner.readStream(stream, options);
    },
  });
  const store = withSchemas(change(counted), new SchemaRegistry([type]));
  const another = () => new ActorSystem({ store, clock: new ManualClock(1_700_000_000_000) });
  return { path, system: another(), another, read };
}

/** Once: what it finds paid already it leaves. */
const open = (amount: number, id?: string): Command<typeof machine> => ({
  ...(id === undefined ? {} : { id }),
  begins: true,
  decide: ({ context }) => (context.sum === 0 ? [{ type: 'Paid', data: { amount } }] : []),
});

t.test('one that is new is not looked for, and goes on as any other', async (t) => {
  const { system, another, read } = start(t);
  const opened = await system.execute(type, 'a', open(5));
  t.match(opened, { revision: 0, duplicate: false, snapshot: { context: { sum: 5 } } });
  t.match(await system.execute(type, 'a', pay(2)), { revision: 1, snapshot: { context: { sum: 7 } } });
  t.same(read, []);
  t.equal((await another().read(type, 'a')).snapshot.context.sum, 7);
});

t.test('one that is there is decided again on what is there, whatever was behind it', async (t) => {
  const { system, another } = start(t);
  await system.execute(type, 'a', open(5, 'first'));
  await system.execute(type, 'a', pay(2));
  const other = another();
  const again = await other.execute(type, 'a', open(5, 'first'));
  t.match(again, { duplicate: true, revision: 0, snapshot: { context: { sum: 7 } } });
  t.match(await another().execute(type, 'a', open(9)), {
    ...{ duplicate: false, events: [], revision: 1 },
    snapshot: { context: { sum: 7 } },
  });
  t.match(await other.execute(type, 'a', pay(1)), { revision: 2, snapshot: { context: { sum: 8 } } });
});

t.test('two that begin it at once: one of them has', async (t) => {
  const { system, another } = start(t);
  const [one, two] = await Promise.all([
    system.execute(type, 'a', open(5)),
    another().execute(type, 'a', open(6)),
  ]);
  t.same([...valuesOf(one.events, 'amount'), ...valuesOf(two.events, 'amount')], [5]);
  t.equal(two.snapshot.context.sum, 5);
});

t.test('a refusal and a decision for nothing rest on what is there', async (t) => {
  const { system, another, read } = start(t);
  await system.execute(type, 'a', pay(5));
  read.length = 0;
  const refusing: Command<typeof machine> = {
    begins: true,
    decide: ({ context }) => {
      throw new OwlError('refused', `there are ${context.sum}`);
    },
  };
  await t.rejects(another().execute(type, 'a', refusing), { message: 'there are 5' });
  t.same((await another().execute(type, 'a', { begins: true, decide: () => [] })).revision, 0);
  t.same(read, ['account-a', 'account-a']);
});

t.test('an append that nobody knows the outcome of is found by the next', async (t) => {
  let fails = true;
  const { system } = start(t, (store) =>
    delegating(store, {
      async append(...parameters) {
        const stored = await store.append(...parameters);
        if (!fails) return stored;
        fails = false;
        throw new StoreUnavailableError('the disk is slow', 'unknown');
      },
    }),
  );
  await t.rejects(system.execute(type, 'a', open(5, 'first')), { message: 'the disk is slow' });
  t.match(await system.execute(type, 'a', open(5, 'first')), {
    ...{ duplicate: true, revision: 0 },
    snapshot: { context: { sum: 5 } },
  });
});

t.test('a stream whose events somebody has deleted is none to begin with', async (t) => {
  const { path, system, another } = start(t);
  await system.execute(type, 'a', open(5));
  const db = openDatabase(path);
  db.exec('DELETE FROM events');
  db.close();
  await t.rejects(another().execute(type, 'a', open(9)), { name: 'DamagedStreamError' });
});

t.test('a store that can not tell is read', async (t) => {
  const { system, read } = start(t, (store) => delegating(store, { knowsAllStreams: undefined }));
  await system.execute(type, 'a', open(5));
  t.same(read, ['account-a']);
});

t.test('what is over is let go of, and comes back for whoever asks', async (t) => {
  const { system, read } = start(t);
  await system.execute(type, 'a', open(5));
  t.equal(system.live, 1);
  await Promise.all([system.execute(type, 'a', close), system.read(type, 'a')]);
  const isGone = () => until('it is let go of', () => system.live === 0);
  await isGone();
  t.same(read, []);
  t.match(await system.read(type, 'a'), { revision: 1, snapshot: { value: 'closed' } });
  await isGone();
});
