/** The part of the service that has to do with jobs. */

import type { Part, WorkloadContext } from '../workload-context.js';

export function openJobs(_context: WorkloadContext): Part {
  return {};
}
