/** Commands by the thousand of one event: never all in memory, and after a failure, a stop or a kill going on where they were. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/clock.js';
import { OwlError } from '../../../src/base/errors.js';
import type { Database } from '../../../src/base/sql.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { commandTo, type Reactor, type ReactorCommand } from '../../../src/runtime/reactors/reactor.js';
import { openRuntime } from '../../../src/runtime/runtime.js';
import { collect } from '../../support/events.js';
import { logLines } from '../../support/log-lines.js';
import { until } from '../../support/until.js';
import { count, counter } from '../support/counter.js';
import { add } from '../support/tallies.js';
import { AT_ONCE, EVERY, expanding } from './expand-until-killed.js';
import { gate, nodeOn, STORES } from './reacting.js';

const PROGRAM = fileURLToPath(new URL('./expand-until-killed.js', import.meta.url));

/** Runs the program until it has carried out so many commands, and kills it. */
async function killAfter(t: Test, database: string, commands: number): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, database], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'done') throw new Error('it was done before it was killed');
    if (Number(line) >= commands) break;
  }
  child.kill('SIGKILL');
  await exited;
}

t.test('after kill -9 an expansion goes on where it was', async (t) => {
  const amount = 2_000;
  const file = join(t.testdir(), 'owl.db');
  const first = openSqliteEventStore(file);
  await add(first, 'a', amount);
  await first.close();
  await killAfter(t, file, 600);
  await killAfter(t, file, 600);

  const store = openSqliteEventStore(file);
  const db = openDatabase(file);
  const counted = async () => (await collect(store.readAll({ categories: ['counter'] }))).length;
  const before = await counted();
  const { reactions, sent, mostAhead } = expanding(store, db, () => undefined);
  t.teardown(async () => {
    await reactions.stop();
    db.close();
    await store.close();
  });
  await reactions.start();
  await reactions.caughtUpTo((await add(store, 'b', 0)).position);
  t.ok(before >= 1_200 - EVERY - AT_ONCE && before < amount, `${before} were there`);
  const repeated = sent() - (amount - before);
  t.ok(repeated <= EVERY + 2 * AT_ONCE, `${repeated} of ${amount} were repeated`);
  t.equal(await counted(), amount, 'each was carried out once');
  t.ok(mostAhead() <= AT_ONCE);
  t.equal(db.prepare('SELECT count(*) AS n FROM reactor_progress').get()?.['n'], 0, 'and nothing is kept');
});

/** Gives so many commands for each event, as they are asked for. */
function many(amount: number): Reactor {
  async function* commands(): AsyncGenerator<ReactorCommand> {
    for (let n = 0; n < amount; n++) yield commandTo(counter, `n${n}`, count('once'));
  }
  return { name: 'expands', categories: ['tally'], react: () => commands() };
}

for (const [kind, start] of Object.entries(STORES)) {
  t.test(`one that fails in between is sent again alone (${kind})`, async (t) => {
    const store = await (await start(t, join(t.testdir(), 'owl.db')))();
    const node = nodeOn(t, store, join(t.testdirName, 'read-models.db'));
    let away = true;
    node.hinder = (target) => {
      if (away && target === 'n7') throw new OwlError('retryable', 'not now');
    };
    const reactions = node.runner(many(30), { parallel: 8 });
    await reactions.start();
    const { position } = await add(store, 'a', 1);
    await until('it is to be tried again', () => reactions.status().retrying === 1);
    t.equal(node.sent.length, 30, 'the others were sent');
    away = false;
    const done = reactions.caughtUpTo(position);
    await until('it was tried again', () => {
      node.clock.advance(10_000);
      return node.sent.length > 30;
    });
    await done;
    t.same(node.sent.slice(30), ['n7']);
  });

  t.test(`after an orderly stop nothing is sent again (${kind})`, async (t) => {
    const directory = t.testdir();
    const open = await start(t, join(directory, 'owl.db'));
    const store = await open();
    const node = nodeOn(t, store, join(directory, 'read-models.db'));
    const held = gate();
    node.hinder = (target) => (target === 'n20' ? held.passed : undefined);
    const before = node.runner(many(40), { parallel: 8 });
    await before.start();
    const { position } = await add(store, 'a', 1);
    await until('it has come so far', () => node.sent.includes('n20'));
    const stopped = before.stop();
    held.open();
    await stopped;
    t.ok(node.sent.length < 40, `${node.sent.length}`);

    const again = nodeOn(t, await open(), join(directory, 'read-models.db'));
    const after = again.runner(many(40), { parallel: 8 });
    await after.start();
    await after.caughtUpTo(position);
    t.equal(node.sent.length + again.sent.length, 40);
    t.equal(new Set([...node.sent, ...again.sent]).size, 40);
  });
}

const progressRows = (db: Database) => db.prepare('SELECT * FROM reactor_progress').all().length;

t.test('parked in the middle, it goes on there when it is driven again, after a restart, too', async (t) => {
  const directory = t.testdir();
  const store = openSqliteEventStore(join(directory, 'owl.db'));
  t.teardown(() => store.close());
  const node = nodeOn(t, store, join(directory, 'read-models.db'));
  let broken = true;
  const hinder = (target: string) => {
    if (broken && target === 'n150') throw new TypeError('broken');
  };
  node.hinder = hinder;
  const reactions = node.runner(many(200), { attempts: 1 });
  await reactions.start();
  await reactions.caughtUpTo((await add(store, 'a', 1)).position);
  t.match(reactions.parked(), [{ error: 'broken' }]);
  await reactions.stop();

  const next = nodeOn(t, store, join(directory, 'read-models.db'));
  next.hinder = hinder;
  const again = next.runner(many(200), { attempts: 1 });
  await again.start();
  t.same(await again.redrive(), { redriven: 0, remaining: 1 });
  broken = false;
  t.same(await again.redrive(), { redriven: 1, remaining: 0 });
  t.equal(next.sent.filter((target) => target === 'n150').length, 2);
  t.notOk(next.sent.includes('n3'), 'what was settled before it is left out');
  t.equal(progressRows(next.db), 0, 'and nothing is kept');
});

t.test('what a process left behind that was killed between checkpoint and tidying is not kept', async (t) => {
  const directory = t.testdir();
  const store = openSqliteEventStore(join(directory, 'owl.db'));
  t.teardown(() => store.close());
  const node = nodeOn(t, store, join(directory, 'read-models.db'));
  const reactions = node.runner(many(20), { progressEvery: 5 });
  await reactions.start();
  // As if it were killed before it comes to that.
  node.db.exec('CREATE TRIGGER killed BEFORE DELETE ON reactor_progress BEGIN SELECT RAISE(IGNORE); END');
  const { position } = await add(store, 'a', 1);
  await reactions.caughtUpTo(position);
  await reactions.stop();
  t.equal(progressRows(node.db), 1);
  node.db.exec('DROP TRIGGER killed');

  const next = nodeOn(t, store, join(directory, 'read-models.db'));
  const again = next.runner(many(20));
  await again.start();
  await again.caughtUpTo(position);
  t.equal(progressRows(next.db), 0);
  t.same(next.sent, []);
});

t.test('however many commands follow from events, others find room among the live actors', async (t) => {
  const store = openSqliteEventStore(join(t.testdir(), 'owl.db'));
  const log = logLines();
  const tally = {
    ...counter,
    category: 'tally',
    events: { Added: { version: 1, fields: { amount: 'integer' } } },
  } as const;
  const runtime = openRuntime({
    ...{ store, databasePath: join(t.testdirName, 'read-models.db') },
    ...{ actorTypes: [counter, tally], projections: [] },
    ...{ clock: systemClock, logger: log.logger, limits: { liveActors: 40 } },
  });
  t.teardown(async () => {
    await runtime.close();
    await store.close();
  });
  await add(store, 'a', 1);
  await add(store, 'b', 1);
  const head = await store.head();
  await runtime.start(async () => [many(300), { ...many(300), name: 'again' }]);
  let asked = 0;
  await until('all is done', async () => {
    await runtime.system.execute(counter, `asked-${asked++}`, count('this'));
    return runtime.status().reactors.every(({ checkpoint }) => checkpoint >= head);
  });
  t.same(log.messages('warn'), [], 'no command had to be sent again');
});
