/** The life of a job as its promises have it, read from its events alone. */

import type { StoredEvent } from '../stored-event.js';
import { numberOf, type Place, placesOf, type Tell, textOf } from './fields.js';

export type JobEnd = 'finished' | 'failed' | 'cancelled';

/** They are told of an attempt, under its claim; where a job has none, two of them need none. */
const OF_AN_ATTEMPT: ReadonlySet<string> = new Set([
  ...['JobAttemptFailed', 'JobFinished', 'JobFailed', 'JobCancelled'],
  ...['JobPilotLost', 'JobPilotReturned'],
]);
const WITHOUT_CLAIM: ReadonlySet<string> = new Set(['JobFailed', 'JobCancelled']);
const ENDS: Readonly<Record<string, JobEnd>> = {
  JobFinished: 'finished',
  JobFailed: 'failed',
  JobCancelled: 'cancelled',
};

export class JobLife {
  /** Absent for a single one. */
  task: string | undefined;
  level = 0;
  seq = 0;
  inputs: readonly Place[] = [];
  end: JobEnd | undefined;
  /** Attempts whose claim lived when their end was told. */
  readonly ended = new Set<number>();
  private readonly claims = new Set<string>();
  private claim: { readonly id: string; readonly attempt: number; started: boolean } | undefined;
  private attempts = 0;

  take(event: StoredEvent, tell: Tell): void {
    const { type, revision } = event;
    if ((revision === 0) !== (type === 'JobCreated'))
      tell('legal-transitions', `${type} at its revision ${revision}`);
    if (this.end !== undefined && !(this.end === 'failed' && type === 'JobRetried'))
      tell('final-is-final', `${type} behind its end, ${this.end}`);
    if (type === 'JobCreated') this.create(event);
    else if (type === 'JobClaimed') this.grant(event, tell);
    else if (type === 'JobStarted') this.start(event, tell);
    else if (type === 'JobRetried') this.retry(tell);
    else if (OF_AN_ATTEMPT.has(type)) this.told(event, tell);
  }

  private create(event: StoredEvent): void {
    this.task = textOf(event, 'task');
    this.level = numberOf(event, 'level');
    this.seq = numberOf(event, 'seq');
    this.inputs = placesOf(event);
  }

  private grant(event: StoredEvent, tell: Tell): void {
    const id = textOf(event, 'claim_id') ?? '';
    const attempt = numberOf(event, 'attempt');
    if (this.claim !== undefined)
      tell('one-living-claim', `claim ${id} is granted while claim ${this.claim.id} lives`);
    if (this.claims.has(id)) tell('one-living-claim', `claim ${id} is granted twice`);
    if (attempt !== this.attempts + 1)
      tell('one-living-claim', `attempt ${attempt} follows attempt ${this.attempts}`);
    this.attempts = attempt;
    this.claims.add(id);
    this.claim = { id, attempt, started: false };
  }

  private start(event: StoredEvent, tell: Tell): void {
    const id = textOf(event, 'claim_id');
    if (this.claim === undefined || this.claim.id !== id)
      tell('start-of-a-claim', `it starts under claim ${id}, and ${this.living()}`);
    else if (this.claim.started) tell('start-of-a-claim', `it starts twice under claim ${id}`);
    else this.claim.started = true;
  }

  private retry(tell: Tell): void {
    if (this.end !== 'failed') tell('legal-transitions', 'what has not failed is retried');
    this.end = undefined;
  }

  private told(event: StoredEvent, tell: Tell): void {
    const { type } = event;
    const id = textOf(event, 'claim_id');
    const needsNone = WITHOUT_CLAIM.has(type) && this.claim === undefined;
    if (id !== this.claim?.id || (id === undefined && !needsNone))
      tell('told-of-the-living-claim', `${type} under claim ${id}, and ${this.living()}`);
    if (type === 'JobPilotLost' || type === 'JobPilotReturned') return;
    if (this.claim !== undefined) this.ended.add(this.claim.attempt);
    this.claim = undefined;
    this.end = ENDS[type];
  }

  private living(): string {
    return this.claim === undefined ? 'no claim lives' : `claim ${this.claim.id} lives`;
  }
}
