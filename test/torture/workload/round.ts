/**
 * One round of workload: submitters and pilots at work on a real node while the nemesis harms it and them; then everything gets its
 * end, the node is stopped in order, and the checker reads the log.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { filesLeftIn } from '../checker/leftovers.js';
import { damageOf } from '../checker/sqlite-files.js';
import { Violations } from '../checker/violations.js';
import { checkWorkload } from '../checker/workload/check-workload.js';
import { Dice } from '../dice.js';
import { nodeHarms } from '../harms.js';
import { Journal } from '../journal.js';
import { type Harm, Nemesis } from '../nemesis.js';
import { harmed, type RoundOptions, type RoundResult } from '../round.js';
import { groundOf, type NodePlace, NodeWorld, NotCarriedOutError } from '../world/node-world.js';
import { Field } from './field.js';
import { TorturePilot } from './pilot.js';
import { storeAway } from './store-away.js';
import { Submitter } from './submitter.js';

const SUBMITTERS = 8;
const PILOTS = ['cpu', 'cpu', 'cpu', 'gpu'];
const ANSWERS_WITHIN_MS = 60_000;
const TASKS_END_WITHIN_MS = 90_000;
const LOOKS_EVERY_MS = 200;
const HOUR_MS = 3_600_000;
const LARGEST_PAGE = 1_000;
const ENDED: ReadonlySet<string> = new Set(['finished', 'failed', 'cancelled']);

/** @throws NotCarriedOutError when nothing was found out */
export async function runWorkloadRound(options: RoundOptions): Promise<RoundResult> {
  const { directory, seed, store } = options;
  const violations = new Violations();
  const place = makePlace(directory);
  const world = new NodeWorld(await groundOf(place, store, violations), ['--systems', 'workload']);
  await world.startNode();
  const journal = new Journal(join(directory, 'commands.jsonl'));
  const field = new Field({ server: world.proxy.address, data: place.node, journal, violations });
  try {
    const dice = new Dice(seed);
    const pilots = PILOTS.map((device, i) => new TorturePilot(field, `pilot-${i}`, device, dice.apart()));
    const submitters = Array.from({ length: SUBMITTERS }, () => new Submitter(field, dice.apart()));
    const harms = [...nodeHarms(world).filter(isNoClock), stepsOfTheClock(world), ...pilotHarms(pilots)];
    const nemesis = new Nemesis(harms, dice.apart(), (harm) => journal.note({ harm }));
    const piloting = Promise.all(pilots.map((pilot) => pilot.run()));
    const submitting = Promise.all(submitters.map((submitter) => submitter.run()));
    const telling = () => `${field.counts.commands} commands, ${nemesis.strikes} harms`;
    const { awaySeconds = 0 } = options;
    if (awaySeconds > 0) {
      journal.note({ harm: `store: away for ${awaySeconds} s` });
      await storeAway(world, awaySeconds);
      nemesis.counts.set(`store: away for ${awaySeconds} s`, 1);
    }
    await harmed(options, nemesis, telling);
    await settle(field, submitting);
    field.end();
    await piloting;
    await world.stopService(world.node);
    await world.noProcessesBut(undefined);
    for (const name of filesLeftIn(place.node)) violations.add('left-behind', place.node, name);
    for (const problem of damageOf(world.store.readModels))
      violations.add('unreadable', world.store.readModels, problem);
    const events = await check(world, submitters, violations);
    const read = { events, rows: 0, commands: field.counts.commands, shown: 0 };
    return { violations, counts: field.counts, harms: nemesis.counts, read, nodeStarts: world.node.starts };
  } finally {
    field.end();
    await world.close();
    await journal.close();
  }
}

function makePlace(directory: string): NodePlace {
  const place = { directory, node: join(directory, 'node'), config: join(directory, 'owl.yaml') };
  mkdirSync(directory, { recursive: true });
  const workload = { lease_seconds: 2, give_up_seconds: 4, margin_seconds: 1, requeue_seconds: 1 };
  writeFileSync(place.config, stringify({ log: { level: 'info' }, workload }));
  return place;
}

function isNoClock({ name }: Harm): boolean {
  return !name.includes('clock');
}

/**
 * By whole hours: when a job is tried again stands in the log in wall time, and after a step of less than the longest delay it may wait
 * for as long as that, which is no fault and longer than a round.
 */
function stepsOfTheClock({ node }: NodeWorld): Harm {
  return {
    name: 'step the clock of node by an hour',
    strike: (dice) => {
      node.setGround({ clockOffsetMs: dice.pick([-1, 0, 1]) * HOUR_MS });
      return true;
    },
  };
}

function pilotHarms(pilots: readonly TorturePilot[]): Harm[] {
  const died = (name: string, longestMs: number, forgets: boolean): Harm => ({
    name,
    // Others are harmed meanwhile.
    strike: (dice) => dice.pick(pilots).die(dice.whole(0, longestMs), forgets),
  });
  return [
    died('restart a pilot', 500, false),
    died('restart a pilot that knows nothing', 500, true),
    died('silence a pilot', 7_000, false),
    died('silence a pilot that knows nothing', 7_000, true),
  ];
}

/** Every order gets its answer, and every task its end. */
async function settle(field: Field, submitting: Promise<unknown>): Promise<void> {
  field.closing.abort();
  if (!(await within(field, ANSWERS_WITHIN_MS, submitting)))
    throw new NotCarriedOutError(
      `after ${ANSWERS_WITHIN_MS / 1000} s with nothing harmed orders had no answers`,
    );
  const began = performance.now();
  for (;;) {
    const open = await unfinished(field);
    if (open.length === 0) return;
    if (performance.now() - began > TASKS_END_WITHIN_MS) {
      for (const what of open)
        field.violations.add('ends-in-time', what, 'nothing is harmed, and it does not end');
      return;
    }
    await field.rest(LOOKS_EVERY_MS);
  }
}

async function within(field: Field, longestMs: number, what: Promise<unknown>): Promise<boolean> {
  const late = field.rest(longestMs).then(() => false);
  return Promise.race([what.then(() => true), late]);
}

/** Tasks that have not ended, and datasets that nothing keeps open, or that hold what a cancelled task wrote. */
async function unfinished(field: Field): Promise<string[]> {
  const tasks = await everyOne(field, 'TaskManager', 'task_list', 'tasks');
  const datasets = await everyOne(field, 'DatasetManager', 'dataset_list', 'datasets');
  const over = new Set(
    tasks.filter(({ state }) => state === 'finished' || state === 'cancelled').map(({ uid }) => uid),
  );
  return [
    ...tasks
      .filter(({ state }) => !ENDED.has(String(state)))
      .map(({ uid, state, remarks }) => `task ${String(uid)} ${String(state)} (${String(remarks)})`),
    ...datasets
      .filter(({ status }) => status !== 'closed' && status !== 'aborted')
      .filter(({ producer_task: task }) => task === undefined || task === '' || over.has(task))
      .map(({ uid, status }) => `dataset ${String(uid)} ${String(status)}`),
    ...datasets
      .filter(
        ({ name, status, files_available: there }) =>
          status === 'aborted' && /^(output|levels) of task/.test(String(name)) && Number(there ?? 0) > 0,
      )
      .map(({ uid }) => `outputs of ${String(uid)} that nobody wants`),
  ];
}

async function everyOne(
  field: Field,
  service: string,
  method: string,
  list: string,
): Promise<Readonly<Record<string, unknown>>[]> {
  const all: Readonly<Record<string, unknown>>[] = [];
  let page_token: unknown = '';
  do {
    const page: Readonly<Record<string, unknown>> =
      (await field.insist(service, method, { page_size: LARGEST_PAGE, page_token })) ?? {};
    const found = page[list];
    if (Array.isArray(found)) all.push(...found);
    page_token = page['next_page_token'];
  } while (typeof page_token === 'string' && page_token !== '');
  return all;
}

async function check(
  { store }: NodeWorld,
  submitters: readonly Submitter[],
  violations: Violations,
): Promise<number> {
  // An answer of a store behind a wire may be lost, and then nobody knows yet what was granted.
  const isOneNode = store.name === 'sqlite';
  const history = await checkWorkload(await store.events(), violations, true, isOneNode);
  for (const { ordered } of submitters) {
    for (const uid of ordered.tasks)
      if (!history.tasks.has(uid)) violations.add('acknowledged-once', `task ${uid}`, 'it is not in the log');
    for (const [uid, files] of ordered.datasets) {
      const stored = history.datasets.get(uid)?.files ?? 0;
      if (stored !== files)
        violations.add(
          'acknowledged-once',
          `dataset ${uid}`,
          `${files} files were taken and ${stored} are in the log`,
        );
    }
  }
  return history.events;
}
