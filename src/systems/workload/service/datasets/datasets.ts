/** The part of the service that has to do with datasets. */

import type { Part, WorkloadContext } from '../workload-context.js';

export function openDatasets(_context: WorkloadContext): Part {
  return {};
}
