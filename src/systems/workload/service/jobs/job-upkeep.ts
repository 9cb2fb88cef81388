/** What the service itself decides of a job: that it is queued, that its hint is sent again, that nobody can run it, that its pilot is silent. */

import type { JobEvent, JobSnapshot } from '../../../../../machines/workload/job.js';
import { DEATHS_OF_POISON } from './failure-classes.js';
import type { Failure } from './job-commands.js';

/** @param name of the queue @param batch names those that are queued together */
export function queue({ value }: JobSnapshot, name: string, batch: string): JobEvent[] {
  return value === 'created' ? [{ type: 'JobQueued', data: { queue: name, batch } }] : [];
}

/** It waits to be queued again. */
export function withdraw({ value }: JobSnapshot, reason: string): JobEvent[] {
  return value === 'queued' ? [{ type: 'JobWithdrawn', data: { reason } }] : [];
}

/** Its id names the hint that it follows, so that several nodes do it once. */
export function requeue({ value }: JobSnapshot, name: string, reason: string): JobEvent[] {
  return value === 'queued' ? [{ type: 'JobRequeued', data: { queue: name, reason } }] : [];
}

/** A hint of it lies with the dead, at the retry that it was sent for. Its id names the very message, so that it counts once. */
export function hintDied(
  { value, context }: JobSnapshot,
  {
    queue: name,
    reason,
    curRetry,
  }: { readonly queue: string; readonly reason: string; readonly curRetry: number },
): JobEvent[] {
  if (value !== 'queued' || curRetry !== context.curRetry) return [];
  const deaths = context.hintDeaths + 1;
  const died: JobEvent = { type: 'JobHintDied', data: { queue: name, reason, deaths } };
  if (deaths < DEATHS_OF_POISON) return [died];
  const detail = `its hints have died ${deaths} times, so it is taken for the reason; the last time: ${reason}`;
  return [died, { type: 'JobFailed', data: { class: 'poison', detail } }];
}

/** It waits, and nobody could ever run it. */
export function failWaiting({ value }: JobSnapshot, failure: Failure): JobEvent[] {
  return value === 'created' || value === 'queued' ? [{ type: 'JobFailed', data: { ...failure } }] : [];
}

/** A mark: whether its pilot still has it is not known. @param failAt for people, in Unix seconds */
export function markLost(
  { context }: JobSnapshot,
  claimId: string,
  remarks: string,
  failAt: number,
): JobEvent[] {
  if (context.claim?.claimId !== claimId || context.failAt !== null) return [];
  return [{ type: 'JobPilotLost', data: { claim_id: claimId, remarks, fail_at: failAt } }];
}

/** Its pilot has it: the mark is taken away. */
export function markReturned({ context }: JobSnapshot, claimId: string): JobEvent[] {
  if (context.claim?.claimId !== claimId || context.failAt === null) return [];
  return [{ type: 'JobPilotReturned', data: { claim_id: claimId } }];
}
