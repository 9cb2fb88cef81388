/**
 * What it costs to have a short process kept, side by side in one run: a whole life under a keeper (record, start, end,
 * both read and removed, the log too) and a bare loop of `spawn`, in turns. The ratio counts; the figures are the machine's.
 *
 *   npm run bench:processes -- [PROCESSES] [ROUNDS]
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { systemClock } from '../src/base/clock.js';
import { KeeperLink } from '../src/processes/keeper/keeper-link.js';
import { line, rate, ratio } from './figures.js';
import { type Job, jobsIn } from './jobs.js';

const PROGRAM = '/bin/true';
const AT_ONCE = 8;
/** The code of both loops is compiled while it runs. */
const WARM_UP = 200;
const [processes = 1_000, rounds = 5] = process.argv.slice(2).map(Number);

const data = mkdtempSync(join(tmpdir(), 'owl-processes-'));
const jobs = jobsIn(data);
for (const folder of [jobs.directory.records, jobs.directory.logs]) mkdirSync(folder);
const waiting = new Map<number, () => void>();
const link = new KeeperLink<Job, Job>({
  ...{ records: jobs, clock: systemClock, logger: pino({ level: 'error' }) },
  main: fileURLToPath(new URL('keeper-main.js', import.meta.url)),
});
// The timers of the system's clock keep no process alive.
const awake = setInterval(() => undefined, 60_000);
let last = 0;

async function keptLife(): Promise<void> {
  last += 1;
  const job = last;
  const ended = new Promise<void>((resolve) => waiting.set(job, resolve));
  const { log_path } = await link.start({ job, argv: [PROGRAM], log_path: jobs.logPathOf({ job }) });
  await ended;
  waiting.delete(job);
  if (jobs.readEnd({ job })?.exit_code !== 0) throw new Error(`job ${job} has not ended as it should`);
  jobs.remove({ job });
  rmSync(log_path);
}

async function bareLife(): Promise<void> {
  await once(spawn(PROGRAM, { stdio: 'ignore' }), 'exit');
}

/** @returns how many a second */
async function measure(life: () => Promise<void>, count: number): Promise<number> {
  let left = count;
  const begin = performance.now();
  const slot = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await life();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, slot));
  return (count * 1000) / (performance.now() - begin);
}

try {
  await link.open({ onEnded: ({ job }) => waiting.get(job)?.() });
  console.log(
    `${rounds} rounds of ${processes} times ${PROGRAM}, ${AT_ONCE} at once, in turns; medians, and from lowest to highest\n`,
  );
  for (const life of [keptLife, bareLife]) await measure(life, WARM_UP);
  const kept: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    kept.push(await measure(keptLife, processes));
    bare.push(await measure(bareLife, processes));
  }
  line('whole lives under a keeper', ...rate(kept));
  line('bare spawn and exit', ...rate(bare));
  line('  ratio', ...ratio(kept, bare));
} finally {
  await link.close();
  clearInterval(awake);
  rmSync(data, { recursive: true, force: true, maxRetries: 5 });
}
