/**
 * What one actor with much in it costs: additions to its token set, and the first command after its process was killed. Each on a
 * file of the embedded store. `npm run bench:actors`
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { systemClock } from '../src/base/clock.js';
import { openDatabase } from '../src/base/sqlite.js';
import { ActorSnapshots } from '../src/runtime/actors/actor-snapshots.js';
import { ActorSystem } from '../src/runtime/actors/actor-system.js';
import { openSqliteEventStore } from '../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { arrive, count, countdown, counter } from './countdown.js';
import { line } from './figures.js';

const MANY = 100_000;
const IN_FLIGHT = 256;

function open(file: string) {
  const store = openSqliteEventStore(file);
  const db = openDatabase(file);
  const snapshots = new ActorSnapshots(db, pino({ level: 'warn' }));
  const system = new ActorSystem({ store, clock: systemClock, snapshots });
  const close = async () => {
    await system.close();
    db.close();
    await store.close();
  };
  return { system, close };
}

/** Sends so many commands, some at once, each with a token of its own. */
async function send(from: number, to: number, execute: (token: string) => Promise<unknown>): Promise<void> {
  let next = from;
  const sender = async () => {
    while (next < to) {
      const token = (next++ * 7_919) % 1_000_003;
      await execute(`task-${String(token).padStart(7, '0')}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender));
}

/** Seconds of so many additions to a new actor. */
async function additions(file: string, id: string, number: number): Promise<number> {
  const { system, close } = open(file);
  const began = performance.now();
  await send(0, number, (token) => system.execute(countdown, id, arrive(token)));
  const seconds = (performance.now() - began) / 1000;
  await close();
  return seconds;
}

/** The process that is killed: it tells once all is answered, and waits. */
async function fill(file: string): Promise<void> {
  const { system, close } = open(file);
  // A connection that nobody holds is closed.
  process.on('exit', close);
  await send(0, MANY, (token) => system.execute(counter, 'a', count(token)));
  await send(0, MANY, (token) => system.execute(countdown, 'killed', arrive(token)));
  process.send?.('filled');
  setInterval(() => undefined, 1000);
}

async function fillAndKill(file: string): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['fill', file]);
  await once(child, 'message');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Milliseconds of the first command, on a node that has just started. */
async function firstCommand(
  file: string,
  execute: (system: ActorSystem) => Promise<unknown>,
): Promise<number> {
  const { system, close } = open(file);
  // The code is compiled, as a running node's is; the actor is not known.
  await system.execute(counter, 'other', count('warm'));
  const began = performance.now();
  await execute(system);
  const took = performance.now() - began;
  await close();
  return took;
}

const [, , mode, given] = process.argv;
if (mode === 'fill' && given !== undefined) await fill(given);
else {
  const directory = mkdtempSync(join(tmpdir(), 'owl-bench-'));
  try {
    const file = join(directory, 'owl.db');
    await additions(file, 'warm', 5_000);
    const few = await additions(file, 'few', MANY / 10);
    const many = await additions(file, 'many', MANY);
    line('10,000 additions to the token set of one actor', `${few.toFixed(2)} s`);
    line('100,000 additions', `${many.toFixed(2)} s`, `${(many / few).toFixed(1)} times`);
    await fillAndKill(file);
    const small = await firstCommand(file, (system) => system.execute(counter, 'a', count('next')));
    line('first command after kill -9 of an actor with 100,000 events', `${small.toFixed(1)} ms`);
    const large = await firstCommand(file, (system) => system.execute(countdown, 'killed', arrive('next')));
    line('  of one that holds 100,000 tokens as well', `${large.toFixed(1)} ms`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
