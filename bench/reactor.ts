/**
 * What a reactor costs beside the commands it sends, in one run: the commands of one event as the reactor sends them, and the
 * same to other actors sent in parallel by hand, in turns, on the embedded store. Then as many commands of one event as a third
 * argument says, given one by one by a process that is killed half-way and by this one from there on.
 * `npm run bench:reactor -- [COMMANDS] [ROUNDS] [EXPANSION]`
 */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { systemClock } from '../src/base/clock.js';
import { openDatabase } from '../src/base/sqlite.js';
import { ActorSystem } from '../src/runtime/actors/actor-system.js';
import { openSqliteEventStore } from '../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { commandTo } from '../src/runtime/reactors/reactor.js';
import { ReactorRunner } from '../src/runtime/reactors/reactor-runner.js';
import { expanding } from '../test/runtime/reactors/expand-until-killed.js';
import { count, counter } from '../test/runtime/support/counter.js';
import { add } from '../test/runtime/support/tallies.js';
import { line, rate, ratio, whole } from './figures.js';

const [commands = 2_000, rounds = 7, expansion = 100_000] = process.argv.slice(2).map(Number);
const directory = mkdtempSync(join(tmpdir(), 'owl-bench-'));
const file = join(directory, 'owl.db');
const expanded = join(directory, 'expanded.db');
const store = openSqliteEventStore(file);
const db = openDatabase(file);
const system = new ActorSystem({ store, clock: systemClock });

const targets = () => Array.from({ length: commands }, () => randomUUID());
const waiting = new Map<unknown, string[]>();
const reactions = new ReactorRunner({
  ...{ store, db, clock: systemClock, executor: system, logger: pino({ level: 'silent' }) },
  reactor: {
    name: 'fans-out',
    categories: ['tally'],
    react: ({ data }) =>
      (waiting.get(data['amount']) ?? []).map((id) => commandTo(counter, id, count('one'))),
  },
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

async function byReactor(round: number): Promise<number> {
  waiting.set(round, targets());
  const seconds = await timed(async () =>
    reactions.caughtUpTo((await add(store, randomUUID(), round)).position),
  );
  waiting.delete(round);
  return seconds;
}

function byHand(): Promise<number> {
  const ids = targets();
  return timed(async () => {
    // So that both sides wait for one event of their own.
    await add(store, randomUUID(), -1);
    await Promise.all(
      ids.map((id) => system.execute(counter, id, { ...count('one'), id: `by-hand/${id}`, by: 'hand' })),
    );
  });
}

/** Runs the program until it has carried out so many commands, and kills it. */
async function killAfter(carriedOut: number): Promise<void> {
  const program = fileURLToPath(new URL('../test/runtime/reactors/expand-until-killed.js', import.meta.url));
  const child = spawn(process.execPath, [program, expanded], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const sent of createInterface({ input: child.stdout })) if (Number(sent) >= carriedOut) break;
  child.kill('SIGKILL');
}

async function expandOnce(): Promise<void> {
  const before = openSqliteEventStore(expanded);
  const { position } = await add(before, 'a', expansion);
  await before.close();
  await killAfter(expansion / 2);
  const store = openSqliteEventStore(expanded);
  const db = openDatabase(expanded);
  const there = Number(db.prepare('SELECT count(*) AS n FROM events').get()?.['n']) - 1;
  const { reactions, sent } = expanding(store, db, () => undefined);
  const rss = process.memoryUsage().rss;
  const seconds = await timed(async () => {
    await reactions.start();
    await reactions.caughtUpTo(position);
  });
  const grown = (process.memoryUsage().rss - rss) / 2 ** 20;
  await reactions.stop();
  db.close();
  await store.close();
  line(`one event's ${whole(expansion)} commands, killed at`, whole(there));
  line('  repeated afterwards', whole(sent() - (expansion - there)));
  line('  the rest', ...rate([sent() / seconds]));
  line('  memory grown meanwhile, actors among it', `${whole(grown)} MiB`);
}

try {
  await reactions.start();
  for (let round = 0; round < 2; round++) {
    await byReactor(-2 - round);
    await byHand();
  }
  const seconds = { reactor: [] as number[], hand: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    seconds.reactor.push(await byReactor(round));
    seconds.hand.push(await byHand());
  }
  const perSecond = (times: readonly number[]) => times.map((time) => commands / time);
  console.log(`${rounds} rounds of ${commands} commands, in turns; medians, and from lowest to highest\n`);
  line('commands of one event, by a reactor', ...rate(perSecond(seconds.reactor)));
  line('  the same sent in parallel by hand', ...rate(perSecond(seconds.hand)));
  line('  time of the reactor to that by hand', ...ratio(seconds.reactor, seconds.hand));
  if (expansion > 0) await expandOnce();
} finally {
  await reactions.stop();
  await system.close();
  db.close();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
}
