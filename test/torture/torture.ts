/**
 * `npm run torture`: peers at work on a real node while a seeded nemesis harms it, on each store; then the checker. Ends with 0 when
 * nothing was lost, 1 on a broken invariant (store, log and command are kept), 2 for wrong usage, 3 when it could not be carried out.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Counts } from './journal.js';
import { type RoundOptions, type RoundResult, runRound } from './round.js';
import { runWorkloadRound } from './workload/round.js';
import { NotCarriedOutError } from './world/node-world.js';
import type { StoreName } from './world/store.js';

interface Given {
  readonly seconds: number;
  readonly seed: number;
  readonly system: 'talent' | 'workload';
  readonly store: StoreName | 'both';
  readonly commands?: number;
  readonly away?: number;
  readonly keep?: string;
}

const STORES: readonly StoreName[] = ['sqlite', 'eventstoredb'];
const ROUNDS = { talent: runRound, workload: runWorkloadRound };
/** Another round gets another seed that follows from the first. */
const NEXT_SEED = 1_000_003;

const program = new Command('torture')
  .description(
    'Lets overlords, supervisors and log receivers work on a real node while a seeded nemesis kills, halts, cuts, fills and ' +
      'delays what they stand on; then reads store and tables with a checker that shares no code with the product.',
  )
  .option('--seconds <N>', 'how long a round is, its stores together', wholeNumber, 20)
  .option(
    '--seed <S>',
    'what the nemesis draws from (default: a fresh one)',
    wholeNumber,
    Date.now() % 1_000_000_007,
  )
  .addOption(
    new Option('--system <SYSTEM>', 'whose peers are at work').choices(Object.keys(ROUNDS)).default('talent'),
  )
  .addOption(new Option('--store <STORE>', 'which one').choices([...STORES, 'both']).default('both'))
  .option(
    '--commands <N>',
    'rounds are added, each on a new world, until so many commands were sent',
    wholeNumber,
  )
  .option('--away <SECONDS>', 'of workload: first the store is away for so long', wholeNumber)
  .option('--keep <DIR>', 'where everything of the run is kept, whatever comes of it')
  .helpOption('--help', 'show this')
  .showHelpAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .addHelpText(
    'after',
    '\nExamples:\n  npm run torture -- --seconds 20 --seed 7\n  npm run torture -- --store sqlite --keep /tmp/torture\n  npm run torture -- --system workload --away 60   the store away for a minute\n  npm run soak -- --seed 7   until a million commands',
  );

const given = program.parse().opts<Given>();
if (given.away !== undefined && given.system !== 'workload')
  program.error('--away goes with --system workload', { exitCode: 2 });
process.exitCode = await torture(given);

async function torture({ seconds, seed, system, store, commands = 0, away, keep }: Given): Promise<number> {
  const stores = store === 'both' ? STORES : STORES.filter((one) => one === store);
  const folder = keep === undefined ? mkdtempSync(join(tmpdir(), 'owl-torture-')) : resolve(keep);
  mkdirSync(folder, { recursive: true });
  const total: Counts = { commands: 0, acknowledged: 0, refused: 0, unknown: 0, sent: 0 };
  for (let round = 0; round === 0 || total.commands < commands; round++) {
    const roundSeed = (seed + round * NEXT_SEED) % 2 ** 31;
    for (const name of stores) {
      const directory = join(folder, `${name}-${roundSeed}`);
      const options = {
        store: name,
        seconds: seconds / stores.length,
        seed: roundSeed,
        directory,
        ...(away === undefined ? {} : { awaySeconds: away }),
      };
      say(`torture of ${system} on ${name}: ${options.seconds} s, seed ${roundSeed}`);
      const code = await oneRound(ROUNDS[system], { ...options, onProgress: progress }, total);
      if (code !== 0) {
        say(
          `again with: npm run torture -- --system ${system} --store ${store} --seconds ${seconds} --seed ${roundSeed}${away === undefined ? '' : ` --away ${away}`}`,
        );
        say(`store, logs and commands are kept in ${directory}`);
        return code;
      }
      if (keep === undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  if (keep === undefined) rmSync(folder, { recursive: true, force: true });
  say(`${countsLine(total)}; 0 losses`);
  return 0;
}

async function oneRound(run: typeof runRound, options: RoundOptions, total: Counts): Promise<number> {
  let result: RoundResult;
  try {
    result = await run(options);
  } catch (error) {
    if (!(error instanceof NotCarriedOutError)) throw error;
    say(`not carried out: ${error.message}`);
    return 3;
  }
  const { violations, counts, harms, read, nodeStarts } = result;
  for (const name of ['commands', 'acknowledged', 'refused', 'unknown', 'sent'] as const)
    total[name] += counts[name];
  say(countsLine(counts));
  say(
    `harms: ${[...harms].map(([name, count]) => `${name} ${count}`).join(', ')}; node started ${nodeStarts} times`,
  );
  say(
    `checked: ${read.events} events, ${read.rows} rows, ${read.commands} commands, ${read.shown} answers to readers`,
  );
  say(violations.count === 0 ? '0 losses' : `${violations.count} BROKEN INVARIANTS`);
  for (const line of violations.lines()) say(`  ${line}`);
  return violations.count === 0 ? 0 : 1;
}

function countsLine({ commands, acknowledged, refused, unknown, sent }: Counts): string {
  return `${commands} commands (${sent} sent with repetitions): ${acknowledged} acknowledged, ${refused} refused, ${unknown} unknown`;
}

/** One line that replaces itself, on a terminal only. */
function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${line}`);
}

function say(line: string): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
  process.stdout.write(`${line}\n`);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('it must be a whole number from 1.');
  return value;
}
