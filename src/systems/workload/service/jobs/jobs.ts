/** The part of the service that has to do with jobs: what can be asked of them. How they come to pilots is that part's. */

import type { Part, WorkloadContext } from '../workload-context.js';
import { jobOperations } from './job-answers.js';

export function openJobs(context: WorkloadContext): Part {
  return { operations: jobOperations(context) };
}
