/**
 * One round: a world is started, peers work on it while the nemesis harms it, everything is mended and brought to its end in order,
 * and the checker reads what is left.
 */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { NodeStatus } from '../../src/wire/node-messages.js';
import { checkCommands } from './checker/check-commands.js';
import { checkHistory } from './checker/check-history.js';
import { checkTable } from './checker/check-tables.js';
import { damageOf, rowsIn } from './checker/sqlite-files.js';
import { Violations } from './checker/violations.js';
import { Dice } from './dice.js';
import { harmsOf } from './harms.js';
import { type Counts, Journal } from './journal.js';
import { Nemesis } from './nemesis.js';
import { Fleet } from './peers/fleet.js';
import { PoisonedTask } from './peers/poisoned-task.js';
import { NotCarriedOutError } from './world/node-world.js';
import type { StoreName } from './world/store.js';
import { World } from './world/world.js';

const SETTLES_WITHIN_MS = 60_000;
const PROGRESS_EVERY_MS = 250;

export interface RoundOptions {
  readonly store: StoreName;
  readonly seconds: number;
  readonly seed: number;
  readonly directory: string;
  /** Before anything else is harmed the store is away for so long. Of workload alone. */
  readonly awaySeconds?: number;
  /** Called now and then with what has been reached. */
  readonly onProgress: (line: string) => void;
}

export interface RoundResult {
  readonly violations: Violations;
  readonly counts: Counts;
  readonly harms: ReadonlyMap<string, number>;
  /** What the checker has read. */
  readonly read: {
    readonly events: number;
    readonly rows: number;
    readonly commands: number;
    readonly shown: number;
  };
  readonly nodeStarts: number;
}

/** @throws NotCarriedOutError when nothing was found out */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const { directory, seed, store } = options;
  const violations = new Violations();
  const world = await World.start(directory, store, violations);
  const journal = new Journal(join(directory, 'commands.jsonl'));
  try {
    const dice = new Dice(seed);
    const fleet = new Fleet({ world, journal, violations, dice: dice.apart() });
    const poisoned = new PoisonedTask(world, fleet.field);
    const nemesis = new Nemesis(harmsOf(world, fleet.attached, poisoned), dice.apart(), (harm) =>
      journal.note({ harm }),
    );
    fleet.start();
    await harmed(options, nemesis, () => `${journal.size} commands, ${nemesis.strikes} harms`);
    await settle(world, fleet, poisoned);
    await world.stop();
    const read = await check(world, journal, violations);
    const { node } = world;
    return { violations, counts: journal.counts(), harms: nemesis.counts, read, nodeStarts: node.starts };
  } finally {
    await world.close();
    await journal.close();
  }
}

/** Lets the nemesis do its work, for as long as the round is. @param telling what has been reached */
export async function harmed(options: RoundOptions, nemesis: Nemesis, telling: () => string): Promise<void> {
  const { seconds, store, onProgress } = options;
  const signal = AbortSignal.timeout(seconds * 1000);
  const began = performance.now();
  const timer = setInterval(() => {
    const passed = Math.round((performance.now() - began) / 1000);
    onProgress(`${store}: ${passed} of ${seconds} s, ${telling()}`);
  }, PROGRESS_EVERY_MS);
  await nemesis.run(signal);
  clearInterval(timer);
}

/** Everybody gets the answers that are still missing, and the read models catch up. */
async function settle(world: World, fleet: Fleet, poisoned: PoisonedTask): Promise<void> {
  const late = pause(SETTLES_WITHIN_MS, 'late', { ref: false });
  const done = fleet.settle().then(() => untilCaughtUp(fleet));
  if ((await Promise.race([done, late])) === 'late') {
    fleet.end();
    throw new NotCarriedOutError(
      `after ${SETTLES_WITHIN_MS / 1000} s with nothing harmed there still were no answers: ${fleet.waitingFor()}; node started ${world.node.starts} times`,
    );
  }
  await poisoned.isRefused();
  await fleet.lookAtAll();
  fleet.end();
  await fleet.ended;
}

async function untilCaughtUp({ field, calls }: Fleet): Promise<void> {
  for (;;) {
    const status: NodeStatus = (await field.insist(calls, 'node_status', {})) ?? { caught_up: true };
    if (status.caught_up === true) return;
    await field.rest(50);
  }
}

async function check(world: World, journal: Journal, violations: Violations): Promise<RoundResult['read']> {
  const { store } = world;
  for (const problem of damageOf(store.readModels)) violations.add('unreadable', store.readModels, problem);
  const history = await checkHistory(await store.events(), journal, violations);
  const commands = checkCommands(journal, history, violations);
  const except = (category: string) => (id: string) => journal.poisoned.has(`${category}-${id}`);
  const tables = [
    { name: 'plot_tasks', key: 'task_id', expected: history.tasks, except: except('plot_task') },
    { name: 'supervisors', key: 'worker_id', expected: history.supervisors, except: except('supervisor') },
  ];
  const rows = tables.map((table) =>
    checkTable({ ...table, rows: rowsIn(store.readModels, table.name) }, violations),
  );
  return {
    events: history.events,
    rows: rows.reduce((sum, count) => sum + count, 0),
    commands,
    shown: journal.shown.length,
  };
}
