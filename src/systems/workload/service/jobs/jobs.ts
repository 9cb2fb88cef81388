/** The part of the service that has to do with jobs: what can be asked and ordered of them. How they come to pilots is that part's. */

import type { Part } from '../workload-context.js';
import { fileOperations } from './file-answers.js';
import { type JobAnswersOptions, jobOperations } from './job-answers.js';

export function openJobs(options: JobAnswersOptions): Part {
  return { operations: [...jobOperations(options), ...fileOperations(options.context)] };
}
