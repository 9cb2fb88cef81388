/**
 * What pilots and operators may want of a job, as decisions: from the job's state and a request to the events that follow.
 *
 * Guarantees: pure and repeatable, so the runtime may run a decision again after losing a race; a claim is granted once, and who sends
 * the same claim again gets the same grant; what is told of an attempt counts only with the claim that it was granted under, and
 * what counts no more is refused as `stale_claim`, so that who tells it stops.
 */

import {
  JOB_EVENTS,
  type JobEvent,
  type JobSnapshot,
  jobMachine,
} from '../../../../../machines/workload/job.js';
import { OwlError } from '../../../../base/errors.js';
import type { ActorType } from '../../../../runtime/actors/actor-type.js';
import {
  delayOfLossSeconds,
  delaySeconds,
  FAULT_OF,
  type FailureClass,
  LOSSES_OF_POISON,
  MAY_BE_POISON,
} from './failure-classes.js';

export type JobType = ActorType<typeof jobMachine>;
type EventOf<T extends JobEvent['type']> = Extract<JobEvent, { type: T }>;

/** It has no timer: what is given up is judged by who listens (give-ups of pilots, lost-claims.ts), and no wall clock brings that nearer. */
export const job: JobType = {
  category: 'wl_job',
  version: 2,
  machine: jobMachine,
  events: JOB_EVENTS,
  isOver: ({ value }) => value === 'finished' || value === 'failed' || value === 'cancelled',
  rests: ({ value }) => value === 'created',
};

/** Why a claim is not granted: the pilot lets go of the hint and takes another. */
export type RefusedClaim = 'claimed' | 'done' | 'cancelled' | 'stale' | 'held' | 'disabled' | 'unknown';

/** A refusal whose `reason` programs go by. */
export class JobRefusedError extends OwlError {
  override readonly name = 'JobRefusedError';

  constructor(reason: RefusedClaim | 'stale_claim' | 'transition_refused', message: string) {
    super(reason === 'unknown' ? 'not_found' : 'refused', message, { reason });
  }
}

export interface ClaimRequest {
  /**
   * The id of the claim, were it granted as that attempt: the same claim, sent again, has the same one, and sent again when its
   * attempt has ended it is another.
   */
  readonly claimIdOf: (attempt: number) => string;
  readonly pilot: string;
  readonly sessionId: string;
  /** Of the hint. */
  readonly curRetry: number;
  readonly leaseSeconds: number;
  readonly deviceType: string;
  readonly executables: readonly string[];
}

/** @throws JobRefusedError */
export function grant(snapshot: JobSnapshot, uid: string, claim: ClaimRequest): EventOf<'JobClaimed'>[] {
  const { value, context } = snapshot;
  if (isGranted(snapshot, claim)) return [];
  const refused = (reason: RefusedClaim, why: string) => new JobRefusedError(reason, `job ${uid} ${why}`);
  if (value === 'absent') throw refused('unknown', 'is not there');
  if (value === 'staging' || value === 'running')
    throw refused('claimed', `is ${value} on pilot ${context.claim?.pilot ?? '?'}`);
  if (value === 'cancelled' || value === 'cancelling') throw refused('cancelled', `is ${value}`);
  if (value === 'finished' || value === 'failed') throw refused('done', `is ${value}`);
  const sent = claim.claimIdOf(context.attempt);
  if (sent === context.lastClaimId)
    throw refused('stale', 'was granted to this claim, whose attempt has ended');
  if (value !== 'queued') throw refused('stale', 'waits to be queued again');
  if (claim.curRetry !== context.curRetry)
    throw refused('stale', `is at retry ${context.curRetry}, not ${claim.curRetry}`);
  if (claim.deviceType !== context.deviceType)
    throw refused('stale', `is for a ${context.deviceType}, and the pilot has a ${claim.deviceType}`);
  if (!claim.executables.includes(context.executable))
    throw refused('stale', `needs ${context.executable}, which the pilot does not offer`);
  return [
    {
      type: 'JobClaimed',
      data: {
        pilot: claim.pilot,
        session_id: claim.sessionId,
        claim_id: claim.claimIdOf(context.attempt + 1),
        attempt: context.attempt + 1,
        cur_retry: context.curRetry,
        lease_seconds: claim.leaseSeconds,
      },
    },
  ];
}

/** This very claim is what the job is under way by. */
export function isGranted({ context }: JobSnapshot, { claimIdOf }: Pick<ClaimRequest, 'claimIdOf'>): boolean {
  return context.claim?.claimId === claimIdOf(context.attempt);
}

/** @throws JobRefusedError reason `stale_claim` unless this is the claim that the job is under way by */
export function assertLiving({ value, context }: JobSnapshot, uid: string, claimId: string): void {
  if (context.claim?.claimId === claimId) return;
  const now =
    context.claim === null
      ? `it is ${String(value)}`
      : `it is granted to pilot ${context.claim.pilot} under another`;
  throw new JobRefusedError('stale_claim', `claim ${claimId} of job ${uid} counts no more: ${now}`);
}

export type Started = Pick<
  EventOf<'JobStarted'>['data'],
  'pid' | 'boot_id' | 'start_time' | 'inputs_checked'
>;

/** Told again it changes nothing. @throws JobRefusedError */
export function start(snapshot: JobSnapshot, uid: string, claimId: string, told: Started): JobEvent[] {
  assertLiving(snapshot, uid, claimId);
  if (snapshot.value !== 'staging') return [];
  const { attempt } = snapshot.context;
  return [{ type: 'JobStarted', data: { claim_id: claimId, attempt, ...told } }];
}

export type Finished = Omit<EventOf<'JobFinished'>['data'], 'claim_id' | 'attempt'>;

/** Its end was told before, by the same claim. */
function hasEndedBy({ context }: JobSnapshot, claimId: string): boolean {
  return context.claim === null && context.lastClaimId === claimId;
}

/** What was stored first wins: a cancellation that was only asked for ends with it. @throws JobRefusedError */
export function finish(snapshot: JobSnapshot, uid: string, claimId: string, told: Finished): JobEvent[] {
  if (snapshot.value === 'finished' && hasEndedBy(snapshot, claimId)) return [];
  assertLiving(snapshot, uid, claimId);
  const { attempt } = snapshot.context;
  return [{ type: 'JobFinished', data: { claim_id: claimId, attempt, ...told } }];
}

export interface Failure {
  readonly class: FailureClass;
  readonly detail: string;
  readonly exit_code?: number;
  readonly exit_signal?: string;
  /** Of a class whose fault is the data's: the uid of the input, with what was found in its place; bytes. */
  readonly file?: string;
  readonly found_size?: string;
  readonly found_check_sum?: string;
  /** As the pilot has stored it; told of the attempt that the job fails with. */
  readonly log?: Finished['log'];
}

/** What a failure is judged by. */
export interface FailureTerms {
  /** Unix seconds. */
  readonly now: number;
  /** Of machines, which a job survives. */
  readonly maxLosses: number;
}

/** @throws JobRefusedError */
export function fail(
  snapshot: JobSnapshot,
  uid: string,
  claimId: string,
  failure: Failure,
  terms: FailureTerms,
): JobEvent[] {
  if (snapshot.value !== 'finished' && hasEndedBy(snapshot, claimId)) return [];
  assertLiving(snapshot, uid, claimId);
  // Whatever it failed of, nothing of it runs any more.
  if (snapshot.value === 'cancelling')
    return [
      {
        type: 'JobCancelled',
        data: { reason: failure.detail, processes_ended: 0, claim_id: claimId },
      },
    ];
  return failed(snapshot, claimId, failure, terms);
}

function failed(
  { context, value }: JobSnapshot,
  claimId: string,
  failure: Failure,
  { now, maxLosses }: FailureTerms,
): JobEvent[] {
  const fault = FAULT_OF[failure.class];
  const { attempt, curRetry, retries } = context;
  const over = (why: Failure): JobEvent[] => [
    { type: 'JobFailed', data: { ...why, claim_id: claimId, attempt } },
  ];
  const { log: _log, ...ofAttempt } = failure;
  const again = (counts: {
    readonly cur_retry: number;
    readonly losses: number;
    readonly losses_in_a_row: number;
    readonly not_before: number;
  }): JobEvent[] => [
    { type: 'JobAttemptFailed', data: { ...ofAttempt, claim_id: claimId, attempt, ...counts } },
  ];
  if (fault === 'job') {
    if (curRetry >= retries) return over(failure);
    return again({
      ...{ cur_retry: curRetry + 1, losses: context.losses, losses_in_a_row: 0 },
      not_before: now + delaySeconds(curRetry),
    });
  }
  if (fault !== 'machine') return over(failure);
  // What had not begun took nothing with it; of an unknown end is what had, also where that could not be told.
  const hadBegun = value === 'running' || failure.class === 'end_unknown';
  const mayBePoison = hadBegun && MAY_BE_POISON.has(failure.class);
  const [losses, inARow] = [context.losses + 1, context.lossesInARow + (mayBePoison ? 1 : 0)];
  if (mayBePoison && inARow >= LOSSES_OF_POISON)
    return over({
      ...failure,
      class: 'poison',
      detail: `it was lost ${inARow} times in a row, so it is taken for the reason; the last time: ${failure.detail}`,
    });
  if (losses > maxLosses)
    return over({
      ...failure,
      detail: `it was lost ${losses === 1 ? 'once' : `${losses} times`}; the last time: ${failure.detail}`,
    });
  return again({
    ...{ cur_retry: curRetry, losses, losses_in_a_row: inARow },
    not_before: now + delayOfLossSeconds(failure.class, context.losses),
  });
}

/**
 * Its pilot was not heard of for as long as it may be, or does not say that it has it: by then its keeper has ended the payload.
 */
export function giveUp(
  snapshot: JobSnapshot,
  claimId: string,
  detail: string,
  terms: FailureTerms,
): JobEvent[] {
  const { claim } = snapshot.context;
  if (claim === null || claim.claimId !== claimId) return [];
  if (snapshot.value === 'cancelling')
    return [
      {
        type: 'JobCancelled',
        data: { reason: detail, processes_ended: 0, claim_id: claim.claimId, by_lease: true },
      },
    ];
  return failed(snapshot, claim.claimId, { class: 'pilot_lost', detail }, terms);
}

/** @throws OwlError kind `not_found` for one that is not there, `refused` for one that has ended */
export function cancel(
  { value, context }: JobSnapshot,
  uid: string,
  reason: string,
  graceSeconds: number,
): JobEvent[] {
  if (value === 'absent') throw new OwlError('not_found', `there is no job ${uid}`);
  if (value === 'cancelling' || value === 'cancelled') return [];
  if (value === 'finished' || value === 'failed')
    throw new JobRefusedError('transition_refused', `job ${uid} is ${value} already`);
  return context.claim === null
    ? [{ type: 'JobCancelled', data: { reason, processes_ended: 0 } }]
    : [{ type: 'JobCancelRequested', data: { reason, grace_seconds: graceSeconds } }];
}

/** The pilot has ended what ran. @throws JobRefusedError */
export function cancelled(
  snapshot: JobSnapshot,
  uid: string,
  claimId: string,
  processesEnded: number,
): JobEvent[] {
  if (snapshot.value === 'cancelled') return [];
  assertLiving(snapshot, uid, claimId);
  if (snapshot.value !== 'cancelling')
    throw new JobRefusedError('transition_refused', `nobody asked to cancel job ${uid}`);
  const data = { reason: 'its processes have ended', processes_ended: processesEnded, claim_id: claimId };
  return [{ type: 'JobCancelled', data }];
}

/** @throws OwlError kind `not_found` or `refused` */
export function retry(
  { value, context: { attempt } }: JobSnapshot,
  uid: string,
  reason: string | undefined,
): JobEvent[] {
  if (value === 'absent') throw new OwlError('not_found', `there is no job ${uid}`);
  if (value !== 'failed')
    throw new JobRefusedError(
      'transition_refused',
      `job ${uid} is ${String(value)}; only a failed one can be retried`,
    );
  return [{ type: 'JobRetried', data: reason === undefined ? { attempt } : { reason, attempt } }];
}
