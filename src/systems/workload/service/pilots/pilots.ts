/** The part of the service that has to do with pilots. */

import type { Part, WorkloadContext } from '../workload-context.js';

export function openPilots(_context: WorkloadContext): Part {
  return {};
}
