/** Short processes for the measurement of the keeper: an owner that syncs nothing, as one with hundreds a second has to. */

import { MachineDirectory } from '../src/processes/machine-directory.js';
import { type Checks, fits, isCount } from '../src/processes/records/checks.js';
import type { ProcessKind } from '../src/processes/records/process-kind.js';
import { ProcessRecords } from '../src/processes/records/process-records.js';

export interface Job {
  readonly job: number;
}

const CHECKS: Checks<Job> = { job: isCount };

const JOBS: ProcessKind<Job, Job> = {
  noun: 'job',
  variable: 'OWL_BENCH_JOB',
  synced: false,
  nameOf: ({ job }) => String(job),
  keyNamed: (name) => (/^[0-9]+$/.test(name) ? { job: Number(name) } : undefined),
  keyIn: (value) => (isJob(value) ? { job: value.job } : undefined),
  isOwn: isJob,
};

/** @param path absolute */
export function jobsIn(path: string): ProcessRecords<Job, Job> {
  return new ProcessRecords(new MachineDirectory(path), JOBS);
}

function isJob(value: object): value is Job {
  return fits(value, CHECKS);
}
