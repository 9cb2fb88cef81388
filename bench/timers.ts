/**
 * What many timers cost that are due at one instant: until the last one is carried out, beside the same commands sent by hand, as
 * many at once, to as many other actors of the same file. One timer an actor. `npm run bench:timers -- [TIMERS] [ROUNDS]`
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { systemClock } from '../src/base/clock.js';
import { openSqliteEventStore } from '../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { openRuntime, type Runtime } from '../src/runtime/runtime.js';
import { acquire, create, release, semaphore } from '../test/support/semaphore.js';
import { until } from '../test/support/until.js';
import { line, median, ratio, whole } from './figures.js';

const [timers = 4_000, rounds = 5] = process.argv.slice(2).map(Number);
/** As timers are. */
const PARALLEL = 512;
const NEVER = Date.now() + 24 * 3_600_000;

const folder = mkdtempSync(join(tmpdir(), 'owl-timers-'));
try {
  console.log(`${whole(timers)} timers due at one instant, ${rounds} rounds\n`);
  const [own, byHand]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const each = await oneRound(join(folder, `${round}.db`));
    own.push(each.own);
    byHand.push(each.byHand);
  }
  line('seconds until the last one is carried out', median(own).toFixed(2), range(own));
  line('  the same commands sent by hand', median(byHand).toFixed(2), range(byHand));
  line('  ratio', ...ratio(own, byHand));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function oneRound(file: string): Promise<{ readonly own: number; readonly byHand: number }> {
  const store = openSqliteEventStore(file);
  const runtime = openRuntime({
    ...{ store, databasePath: file, clock: systemClock, logger: pino({ level: 'warn' }) },
    ...{ actorTypes: [semaphore], projections: [] },
  });
  await runtime.start();
  const names = (kind: string) => Array.from({ length: timers }, (_, n) => `${kind}-${n}`);
  await inParallel(names('timer'), (name) => runtime.system.execute(semaphore, name, create(1)));
  await inParallel(names('hand'), (name) => runtime.system.execute(semaphore, name, create(1)));
  const beganToSet = performance.now();
  await inParallel(names('hand'), (name) => runtime.system.execute(semaphore, name, acquire('one', NEVER)));
  // All have to be set by then: it takes as long as with these.
  const due = Math.round(Date.now() + 1_000 + 4 * (performance.now() - beganToSet));
  await inParallel(names('timer'), (name) => runtime.system.execute(semaphore, name, acquire('one', due)));
  await until('all are set', () => runtime.status().timers.pending === 2 * timers);
  if (Date.now() >= due) throw new Error('they were due before all of them were set; try fewer');
  await until('the last one is carried out', () => left(runtime) === timers, 120_000);
  const own = (Date.now() - due) / 1000;
  const began = performance.now();
  await inParallel(names('hand'), (name) => runtime.system.execute(semaphore, name, release('one')));
  const byHand = (performance.now() - began) / 1000;
  await runtime.close();
  await store.close();
  return { own, byHand };
}

function left(runtime: Runtime): number {
  const { pending, firing } = runtime.status().timers;
  return Math.max(pending, timers + firing);
}

async function inParallel(names: readonly string[], send: (name: string) => Promise<unknown>): Promise<void> {
  let next = 0;
  const sender = async () => {
    while (next < names.length) await send(names[next++] ?? '');
  };
  await Promise.all(Array.from({ length: PARALLEL }, sender));
}

function range(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;
}
