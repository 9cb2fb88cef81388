/** A hint is in the queue before it is stored that it is: who hears of it so early waits a little. */

import { wait } from '../../../../base/backoff.js';
import { job } from '../jobs/job-commands.js';
import type { JobHint } from '../jobs/job-queue.js';
import type { WorkloadContext } from '../workload-context.js';

const QUEUED_WITHIN_MS = 3_000;
const LOOK_EVERY_MS = 20;
const NEVER = new AbortController().signal;

/** Resolves when its job is not as before it was queued, or after a time in which that would have been stored. */
export async function untilQueued(
  { clock, system }: Pick<WorkloadContext, 'clock' | 'system'>,
  { job: uid, curRetry }: JobHint,
): Promise<void> {
  const began = clock.monotonic();
  while (clock.monotonic() - began < QUEUED_WITHIN_MS) {
    const { value, context } = (await system.read(job, uid)).snapshot;
    if (value !== 'created' || context.curRetry !== curRetry) return;
    await wait(clock, LOOK_EVERY_MS, NEVER);
  }
}
