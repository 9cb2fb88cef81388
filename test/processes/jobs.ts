/** An owner of processes for the tests of this room: jobs, each a line of JavaScript, with a keeper of their own. */

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ProcessStart } from '../../src/processes/keeper/process-start.js';
import { MachineDirectory } from '../../src/processes/machine-directory.js';
import { type Checks, fits, isCount, isText } from '../../src/processes/records/checks.js';
import type { ProcessKind } from '../../src/processes/records/process-kind.js';
import type { ProcessRecord } from '../../src/processes/records/process-record.js';
import { ProcessRecords } from '../../src/processes/records/process-records.js';

export interface JobKey {
  readonly job: string;
  readonly attempt: number;
}

export interface JobFields extends JobKey {
  readonly note: string;
}

export type JobRecord = ProcessRecord<JobFields>;
export type JobStart = ProcessStart<JobFields>;
export type JobRecords = ProcessRecords<JobKey, JobFields>;

const KEY_CHECKS: Checks<JobKey> = { job: isText, attempt: isCount };
const FIELD_CHECKS: Checks<JobFields> = { ...KEY_CHECKS, note: isText };

export const JOBS: ProcessKind<JobKey, JobFields> = {
  noun: 'job',
  variable: 'OWL_TEST_JOB',
  synced: true,
  nameOf: ({ job, attempt }) => `${job}.${attempt}`,
  keyNamed: (name) => {
    const [, job, attempt] = /^(.+)\.([0-9]+)$/.exec(name) ?? [];
    return job === undefined ? undefined : { job, attempt: Number(attempt) };
  },
  keyIn: (value) => (isKey(value) ? { job: value.job, attempt: value.attempt } : undefined),
  isOwn: (value) => fits(value, FIELD_CHECKS),
};

/** The same, of an owner whose processes are too short and too many to sync a file for each. */
export const QUICK_JOBS: ProcessKind<JobKey, JobFields> = { ...JOBS, synced: false };

/** The program of their keeper. */
export const JOB_KEEPER_MAIN = fileURLToPath(new URL('job-keeper-main.js', import.meta.url));

/** Those of a directory whose folders need not be there. @param path absolute */
export function jobsIn(path: string, kind = JOBS): JobRecords {
  return new ProcessRecords(new MachineDirectory(path), kind);
}

/** The same, with its folders made. */
export function makeJobs(path: string, kind = JOBS): JobRecords {
  const jobs = jobsIn(path, kind);
  for (const folder of [jobs.directory.records, jobs.directory.logs]) mkdirSync(folder, { recursive: true });
  return jobs;
}

/** A job that is a line of JavaScript. */
export function jobStart(jobs: JobRecords, job: string, script: string): JobStart {
  const key = { job, attempt: 1 };
  return { ...key, note: 'a job', log_path: jobs.logPathOf(key), argv: [process.execPath, '-e', script] };
}

/** Of a job that no process stands for. @param started_time Unix seconds */
export function jobRecord(job: string, attempt = 1, started_time = 1): JobRecord {
  return {
    ...{ job, attempt, note: 'a job', log_path: '/logs/a.log', argv: ['program', '-k', '32'], started_time },
    process: { pid: 4242, boot_id: 'boot', start_time: '77' },
  };
}

function isKey(value: object): value is JobKey {
  return fits(value, KEY_CHECKS);
}
