/** A keeper with its owner, for tests: real processes, jobs of their own, and what the owner was told. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { Test } from 'tap';
import { KeeperLink } from '../../../src/processes/keeper/keeper-link.js';
import type { ProcessEnd } from '../../../src/processes/records/process-record.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';
import {
  JOB_KEEPER_MAIN,
  type JobFields,
  type JobKey,
  type JobRecords,
  type JobStart,
  jobsIn,
  makeJobs,
} from '../jobs.js';

/** A job that stays until it is ended. */
export const STAYS = 'setInterval(() => {}, 1000)';

export interface Kept {
  /** The directory. */
  readonly data: string;
  readonly jobs: JobRecords;
  readonly link: KeeperLink<JobKey, JobFields>;
  readonly ended: JobKey[];
  readonly unwritten: JobKey[];
  lost: number;
}

/** A link that is not open yet. */
export function linkTo(data: string): Kept {
  const ended: JobKey[] = [];
  const unwritten: JobKey[] = [];
  const jobs = makeJobs(data);
  const kept: Kept = {
    ...{ data, jobs, ended, unwritten },
    lost: 0,
    link: new KeeperLink({
      ...{ records: jobs, main: JOB_KEEPER_MAIN, clock, logger: pino({ level: 'silent' }) },
    }),
  };
  return kept;
}

/** What it is told is kept beside it. */
export function openLink(kept: Kept): Promise<void> {
  return kept.link.open({
    onEnded: (key) => kept.ended.push(key),
    onUnwritten: (key) => kept.unwritten.push(key),
    onLost: () => {
      kept.lost += 1;
    },
  });
}

export async function open(t: Test, data: string = t.testdir()): Promise<Kept> {
  const kept = linkTo(data);
  await openLink(kept);
  t.teardown(async () => {
    await kept.link.close();
    await untilNoKeeper(data);
  });
  return kept;
}

export async function untilNoKeeper(data: string): Promise<void> {
  await until('the keeper has ended by itself', () => !existsSync(jobsIn(data).directory.keeperSocket));
}

/** Of its first attempt, once it is written. */
export async function endOf(data: string, job: string): Promise<ProcessEnd | null> {
  await until('its end is recorded', () => jobsIn(data).readEnd({ job, attempt: 1 }) !== null);
  return jobsIn(data).readEnd({ job, attempt: 1 });
}

/** A start whose deadline is so long after it, for there is no saying how long an owner takes to get there. */
export type StartByOwner = JobStart & { readonly deadline_in_ms?: number };

/** An owner that is a process of its own. Resolves when it has started all. */
export async function startOwner(
  t: Test,
  data: string,
  starts: readonly StartByOwner[],
): Promise<ChildProcess> {
  const main = fileURLToPath(new URL('run-owner.js', import.meta.url));
  const owner = spawn(process.execPath, [main, data, JSON.stringify(starts)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => owner.kill('SIGKILL'));
  await once(owner.stdout, 'data');
  return owner;
}

export function keeperOf(pid: number): number {
  return Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
