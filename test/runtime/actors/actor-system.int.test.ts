/** The rules of a command on the real store: write ahead, expected revisions, idempotence, bounds, snapshots. */

import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { StoreUnavailableError } from '../../../src/base/errors.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSnapshots } from '../../../src/runtime/actors/actor-snapshots.js';
import { ActorSystem, type ActorSystemLimits } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import { type EventStore, START } from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect, ofKind, valuesOf } from '../../support/events.js';
import { ManualClock } from '../../support/manual-clock.js';
import { account, close, machine, pay } from './account.js';

interface Setup {
  readonly store: EventStore;
  readonly system: ActorSystem;
  /** Another system on the same store, as another node would be. */
  another(limits?: Partial<ActorSystemLimits>): ActorSystem;
  restarted(): ActorSystem;
}

function start(
  t: Test,
  change: (store: EventStore) => EventStore = (store) => store,
  limits: Partial<ActorSystemLimits> = {},
): Setup {
  const path = join(t.testdir(), 'owl.db');
  const store = withSchemas(change(openSqliteEventStore(path)), new SchemaRegistry([account]));
  const db = openDatabase(path);
  t.teardown(async () => {
    await store.close();
    db.close();
  });
  const another = (others: Partial<ActorSystemLimits> = limits) =>
    new ActorSystem({
      store,
      clock: new ManualClock(1_700_000_000_000),
      snapshots: new ActorSnapshots(db, pino({ level: 'silent' })),
      limits: others,
    });
  return { store, system: another(), another, restarted: another };
}

t.test('a command is answered with what it stored, and a restart finds it', async (t) => {
  const { system, restarted } = start(t);
  const paid = await system.execute(account, 'a', pay(5));
  t.equal(paid.revision, 0);
  t.equal(paid.snapshot.context.sum, 5);
  t.equal(paid.position, system.acknowledged(['other', account.category]));
  t.equal(system.acknowledged(['other']), START, 'nothing of theirs');
  t.strictSame(valuesOf(paid.events, 'amount'), [5]);
  const again = await restarted().read(account, 'a');
  t.equal(again.snapshot.context.sum, 5);
  t.equal(again.revision, 0);
  t.equal((await system.read(account, 'nobody')).revision, -1);
});

t.test(
  'commands of one actor are decided in order, and those that wait together share an append',
  async (t) => {
    let appends = 0;
    const { system, store } = start(t, (real) =>
      delegating(real, {
        append: (...given) => {
          appends++;
          return real.append(...given);
        },
      }),
    );
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, n) => system.execute(account, 'a', pay(n + 100))),
    );
    t.strictSame(
      results.map(({ revision }) => revision),
      Array.from({ length: 50 }, (_, n) => n),
    );
    const amounts = valuesOf(await collect(store.readStream('account-a')), 'amount');
    t.strictSame(
      amounts,
      Array.from({ length: 50 }, (_, n) => n + 100),
    );
    t.ok(appends < 5, `${appends} appends for 50 commands`);
  },
);

t.test('a refusal names state and event, stores nothing and harms no neighbour', async (t) => {
  const { system, store } = start(t);
  const outcomes = await Promise.allSettled([
    system.execute(account, 'a', pay(1)),
    system.execute(account, 'a', pay(13)),
    system.execute(account, 'a', { decide: () => [...pay(2).decide(EMPTY), ...pay(13).decide(EMPTY)] }),
    system.execute(account, 'a', pay(666)),
    system.execute(account, 'a', { decide: () => [{ type: 'Vanished', data: {} }] }),
    system.execute(account, 'a', pay(4)),
    system.execute(account, 'a', close),
    system.execute(account, 'a', pay(8)),
  ]);
  t.strictSame(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'stored' : outcome.reason.message)),
    [
      'stored',
      'Paid is not possible in state open',
      'Paid is not possible in state open',
      'Paid in state open: the machine broke',
      'Vanished is not possible in state open',
      'stored',
      'stored',
      'Paid is not possible in state closed',
    ],
  );
  t.strictSame(valuesOf(await collect(store.readStream('account-a')), 'amount'), [1, 4, undefined]);
  t.equal((await system.read(account, 'a')).snapshot.context.sum, 5);
});

t.test('an event that can not be stored fails its own command only', async (t) => {
  const { system, store } = start(t);
  const outcomes = await Promise.allSettled([
    system.execute(account, 'a', pay(1)),
    system.execute(account, 'a', pay(1.5)),
    system.execute(account, 'a', pay(2)),
  ]);
  t.strictSame(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  t.strictSame(valuesOf(await collect(store.readStream('account-a')), 'amount'), [1, 2]);
});

t.test('a command id is carried out once: at once, later, and after a restart', async (t) => {
  const { system, restarted, store } = start(t);
  const [first, twin] = await Promise.all([
    system.execute(account, 'a', pay(5, 'c1')),
    system.execute(account, 'a', pay(5, 'c1')),
  ]);
  t.match({ ...first, snapshot: null }, { revision: 0, duplicate: false });
  t.match({ ...twin, snapshot: null }, { revision: 0, duplicate: true, events: [] });
  await system.execute(account, 'a', pay(7));
  const later = await restarted().execute(account, 'a', pay(5, 'c1'));
  t.match({ ...later, snapshot: null }, { revision: 0, position: first.position, duplicate: true });
  await system.execute(account, 'a', pay(5, 'c2'));
  t.strictSame(valuesOf(await collect(store.readStream('account-a')), 'amount'), [5, 7, 5]);
});

t.test('several nodes command one actor: nothing is lost, nothing is twice', async (t) => {
  const { system, another, store } = start(t, undefined, { conflictRetries: 1000 });
  const nodes = [system, another(), another()];
  await Promise.all(
    nodes.flatMap((node, n) =>
      Array.from({ length: 20 }, (_, i) => node.execute(account, 'a', pay(1, `c${n}-${i}`))),
    ),
  );
  t.equal((await collect(store.readStream('account-a'))).length, 60);
  for (const node of [...nodes, another()]) {
    // An empty read does not ask the store; a command that stores does, and reloads.
    await node.execute(account, 'a', pay(0));
  }
  t.equal((await another().read(account, 'a')).snapshot.context.sum, 60);
});

t.test('who keeps losing races is told so after a bounded number of tries', async (t) => {
  let tries = 0;
  const { system } = start(
    t,
    (real) =>
      delegating(real, {
        append: async (stream, expected, given) => {
          tries++;
          const [event] = given;
          if (event !== undefined)
            await real.append(stream, expected, [
              { ...event, id: `${event.id.slice(0, -4)}${String(1000 + tries)}` },
            ]);
          return await real.append(stream, expected, given);
        },
      }),
    { conflictRetries: 3 },
  );
  await t.rejects(system.execute(account, 'a', pay(1)), ofKind('conflict'));
  t.equal(tries, 4);
});

t.test('after a lost answer the actor reads its stream before it says anything', async (t) => {
  let lose: 'before' | 'after' | undefined;
  const { system, store } = start(t, (real) =>
    delegating(real, {
      append: async (...given) => {
        const losing = lose;
        lose = undefined;
        if (losing === 'before') throw new StoreUnavailableError('not stored', 'refused');
        const result = await real.append(...given);
        if (losing === 'after') throw new StoreUnavailableError('the answer was lost', 'unknown');
        return result;
      },
    }),
  );
  await system.execute(account, 'a', pay(1));
  lose = 'before';
  await t.rejects(system.execute(account, 'a', pay(2, 'c2')), ofKind('unavailable'));
  t.equal((await system.read(account, 'a')).snapshot.context.sum, 1, 'what was not stored is not seen');
  lose = 'after';
  await t.rejects(system.execute(account, 'a', pay(4, 'c4')), ofKind('unavailable'));
  t.equal((await system.read(account, 'a')).snapshot.context.sum, 5, 'what was stored is seen');
  const again = await system.execute(account, 'a', pay(4, 'c4'));
  t.equal(again.duplicate, true);
  await system.execute(account, 'a', pay(2, 'c2'));
  t.strictSame(valuesOf(await collect(store.readStream('account-a')), 'amount'), [1, 4, 2]);
});

t.test('a refusal that rests on what was never stored is not told as one', async (t) => {
  let failing = true;
  const { system } = start(t, (real) =>
    delegating(real, {
      append: (...given) =>
        failing ? Promise.reject(new StoreUnavailableError('away', 'refused')) : real.append(...given),
    }),
  );
  const outcomes = await Promise.allSettled([
    system.execute(account, 'a', close),
    system.execute(account, 'a', pay(1)),
  ]);
  for (const outcome of outcomes) t.match(outcome, { status: 'rejected', reason: { kind: 'unavailable' } });
  failing = false;
  t.equal((await system.execute(account, 'a', pay(1))).snapshot.value, 'open');
});

t.test('a full mailbox and too many live actors are refused as retryable, and lose nothing', async (t) => {
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { system, store } = start(
    t,
    (real) =>
      delegating(real, {
        append: async (...given) => {
          await held;
          return await real.append(...given);
        },
      }),
    { mailbox: 2, liveActors: 1 },
  );
  const first = system.execute(account, 'a', pay(1));
  await until(() => system.live === 1);
  const waiting = [pay(2), pay(3)].map((command) => system.execute(account, 'a', command));
  const refused = await Promise.allSettled(
    Array.from({ length: 3 }, () => system.execute(account, 'a', pay(9))),
  );
  t.ok(refused.some((outcome) => outcome.status === 'rejected' && outcome.reason.kind === 'retryable'));
  await t.rejects(system.execute(account, 'b', pay(1)), ofKind('retryable'));
  letGo();
  await Promise.allSettled([first, ...waiting]);
  await system.execute(account, 'b', pay(1));
  t.equal(system.live, 1, 'the idle one made room');
  t.strictSame(valuesOf(await collect(store.readStream('account-a')), 'amount').slice(0, 3), [1, 2, 3]);

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }
});

t.test(
  'of actors that rest only those stay that have come to it lately, and the others come back as they were',
  async (t) => {
    const resting = { ...account, rests: ({ value }: { readonly value: unknown }) => value === 'open' };
    const { system } = start(t, (real) => real, { restingActors: 10 });
    const names = Array.from({ length: 50 }, (_, n) => `r${n}`);
    for (const name of names) await system.execute(resting, name, pay(1));
    t.ok(system.live <= 10, `${system.live} of 50 are live`);
    await system.execute(resting, 'closed', close);
    for (const name of names.slice(0, 20)) await system.execute(resting, name, pay(2));
    t.ok(system.live <= 11, 'neither do those stay that came back');
    for (const name of names.slice(0, 20))
      t.equal((await system.read(resting, name)).snapshot.context.sum, 3, `${name} has lost nothing`);
    t.equal((await system.read(resting, 'closed')).snapshot.value, 'closed');
  },
);

t.test('snapshots save the replay, and a bad, old or foreign one costs nothing but that', async (t) => {
  let read = 0;
  const path = join(t.testdir(), 'owl.db');
  const real = openSqliteEventStore(path);
  const counting = delegating(real, {
    async *readStream(...given) {
      for await (const event of real.readStream(...given)) {
        read++;
        yield event;
      }
    },
  });
  const db = openDatabase(path);
  t.teardown(async () => {
    await real.close();
    db.close();
  });
  const open = (type = account) => ({
    type,
    system: new ActorSystem({
      store: counting,
      clock: new ManualClock(1_700_000_000_000),
      snapshots: new ActorSnapshots(db, pino({ level: 'silent' })),
    }),
  });
  const replayed = async ({ system, type }: ReturnType<typeof open>) => {
    read = 0;
    const { snapshot, revision } = await system.read(type, 'a');
    t.equal(snapshot.context.sum, 40);
    t.equal(revision, 39);
    return read;
  };
  const { system } = open();
  for (let i = 0; i < 40; i++) await system.execute(account, 'a', pay(1, `c${i}`));
  t.equal(await replayed(open()), 40, 'none was kept yet');
  await system.close();
  t.equal(await replayed(open()), 1, 'only the event that the snapshot was taken at');
  t.equal(
    (await open().system.execute(account, 'a', pay(1, 'c7'))).duplicate,
    true,
    'commands are remembered in it',
  );
  db.exec(`UPDATE actor_snapshots SET body = replace(body, '40', '41')`);
  t.equal(await replayed(open()), 40, 'a damaged one is not believed');
  await keepAnew();
  t.equal(await replayed(open({ ...account, version: 2 })), 40, 'nor one of another machine version');
  await keepAnew();
  db.exec(`UPDATE actor_snapshots SET revision = 20`);
  t.equal(await replayed(open()), 40, 'nor one that says another revision');

  async function keepAnew(): Promise<void> {
    const { system } = open();
    await system.read(account, 'a');
    await system.close();
  }
});

t.test('idle actors are let go, those with work are not', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path);
  t.teardown(() => store.close());
  const clock = new ManualClock(1_700_000_000_000);
  const system = new ActorSystem({ store, clock });
  await system.execute(account, 'a', pay(1));
  clock.advance(1000);
  await system.execute(account, 'b', pay(1));
  const busy = system.execute(account, 'c', pay(1));
  system.passivateIdle(500);
  t.equal(system.live, 2, 'a was idle long enough');
  await busy;
  system.passivateIdle();
  t.equal(system.live, 0);
  t.equal((await system.execute(account, 'a', pay(1))).snapshot.context.sum, 2);
});

t.test('a history this machine can not take is an error that says where', async (t) => {
  const { system, another, store } = start(t);
  await system.execute(account, 'a', pay(1));
  const stored = await collect(store.readStream('account-a'));
  const [event] = stored;
  if (event === undefined) throw new Error('nothing was stored');
  await store.append('account-a', 0, [
    { ...event, id: 'a0000000-0000-4000-8000-000000000000', data: { amount: 13 } },
  ]);
  await t.rejects(another().execute(account, 'a', pay(1)), {
    name: 'DamagedStreamError',
    kind: 'refused',
    message: /account-a can't be rebuilt from its history: revision 1: Paid is not possible in state open/,
  });
});

t.test('a closed system takes nothing new and finishes what it has', async (t) => {
  const { system } = start(t);
  const last = system.execute(account, 'a', pay(1));
  const closing = system.close();
  await t.rejects(system.execute(account, 'a', pay(2)), ofKind('unavailable'));
  await closing;
  t.equal((await last).revision, 0);
});

const EMPTY = machine.resolveState({ value: 'open', context: { sum: 0 } });
