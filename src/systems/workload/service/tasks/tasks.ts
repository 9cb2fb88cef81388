/** The part of the service that has to do with tasks. */

import type { Part, WorkloadContext } from '../workload-context.js';

export function openTasks(_context: WorkloadContext): Part {
  return {};
}
