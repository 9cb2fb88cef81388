/**
 * One attempt at one job: asked for, granted, staged, run, stored, told, cleared away. It begins with a hint, or with what a pilot
 * before this one has left behind.
 *
 * Guarantees: nothing is begun without a grant; each step can be interrupted by the end of the pilot, and the next pilot goes on from
 * what is written down: the claim, the record of the process, and the outcome, which is written before it is told and told until it is
 * answered; one that is cancelled ends with proof that nothing of it runs; one whose claim counts no more ends at once, is not told,
 * and takes with it what it has stored.
 */

import type { Logger } from 'pino';
import { messageOf } from '../../../base/errors.js';
import type {
  CancelJob,
  Grant,
  Hint,
  JobSample,
  PilotReportAnswer,
  PilotTold,
} from '../wire/pilot-messages.js';
import type { Claim } from './claims.js';
import { clearAway, takeBack } from './clear-away.js';
import { type AttemptError, failureOf, failureOfPilot, isRefusal, stopForPilot } from './failure.js';
import type { HintOver } from './hints.js';
import { type AttemptPhase, sampleOf } from './job-sample.js';
import { failureIn } from './outcome.js';
import type { PayloadEnvironment } from './payload-environment.js';
import type { Order, PayloadRecord, PayloadStop } from './payload-record.js';
import { RunningPayload } from './running-payload.js';
import { startPayload } from './start-payload.js';
import { failedReport, storeResults } from './store-results.js';
import { cancelledTold, failedTold, storageProblemIn, untakenTold } from './told.js';

export interface AttemptOptions {
  readonly job: string;
  readonly slot: number;
  /** Undefined where the process is known. */
  readonly claim?: Claim | undefined;
  /** Told how the claim was answered. */
  readonly over?: HintOver;
  /** A pilot before this one has asked for it. */
  readonly isAskedAgain?: boolean;
  /** Of its process. */
  readonly record?: PayloadRecord | undefined;
}

export class Attempt {
  readonly job: string;
  readonly slot: number;
  private readonly options: AttemptOptions;
  private readonly env: PayloadEnvironment;
  private readonly logger: Logger;
  /** Aborts staging and storing. */
  private readonly broken = new AbortController();
  private readonly signal: AbortSignal;
  private stop: PayloadStop | undefined;
  private cancelBeforeGrant: CancelJob | undefined;
  private order: Order | undefined;
  private payload: RunningPayload | undefined;
  private memory = 0;
  /** How its machine could not use the storage, as it was told or answered. */
  storageProblem: string | undefined;
  /** Not known of one that was adopted. */
  private now: AttemptPhase = 'claiming';

  constructor(options: AttemptOptions, env: PayloadEnvironment) {
    this.options = options;
    this.env = env;
    const { job, slot, record } = options;
    this.job = job;
    this.slot = slot;
    this.logger = env.logger.child({ job });
    this.signal = AbortSignal.any([env.signal, this.broken.signal]);
    if (record === undefined) return;
    this.order = record.order;
    this.payload = new RunningPayload(record, env, this.logger);
    this.stop = record.stopping;
    this.now = 'running';
    this.memory = record.order.memory_mib ?? 0;
    env.memory.note(this.memory);
  }

  get phase(): AttemptPhase {
    return this.now;
  }

  /** Undefined while it is not granted. */
  get claimId(): string | undefined {
    return this.order?.claim_id;
  }

  get attempt(): number | undefined {
    return this.order?.attempt;
  }

  /** Whether it is what the hint is about, and goes on: then there is nothing to ask for. */
  isOf({ cur_retry = 0 }: Hint): boolean {
    const own = this.order?.cur_retry ?? this.options.claim?.cur_retry ?? 0;
    return own === cur_retry && this.stop === undefined && this.now !== 'telling';
  }

  get running(): RunningPayload | undefined {
    return this.payload;
  }

  /** @returns how it came out: `finished`, `failed`, or neither; undefined when the pilot stops. Never rejects. */
  async run(): Promise<'finished' | 'failed' | 'neither' | undefined> {
    try {
      return await this.live();
    } catch (error) {
      if (this.env.signal.aborted) return undefined;
      this.logger.error({ err: error }, 'an attempt could not be settled; it is left for the next pilot');
      return 'neither';
    } finally {
      this.env.memory.giveBack(this.memory);
    }
  }

  /** Ends it: nobody wants its result. */
  cancel(order: CancelJob): void {
    const { claim_id, grace_seconds = 0, reason = '' } = order;
    if (this.order === undefined) this.cancelBeforeGrant = order;
    else if (claim_id === this.claimId)
      this.end({ why: 'cancelled', detail: reason, grace_ms: grace_seconds * 1000 });
  }

  /** Its claim counts no more: ends it at once. */
  abandon(reason: string): void {
    this.logger.warn({ reason }, 'a claim counts no more; what runs of it is ended');
    this.end({ why: 'stale_claim', detail: reason, grace_ms: 0 });
  }

  /** The lease has ended: what has not begun does not begin any more, and what runs is ended, by its keeper too. */
  noteLeaseOver(): void {
    const stop = stopForPilot('pilot_lost', this.env.settings);
    if (this.now === 'staging') this.end(stop);
    else if (this.now === 'running') this.payload?.stop(stop);
  }

  /** The pilot is told to end, and to end what it runs. What has ended already is stored. */
  endWithPilot(): void {
    const stop = stopForPilot('pilot_stopped', this.env.settings);
    if (this.now === 'claiming' || this.now === 'staging') this.end(stop);
    else if (this.now === 'running' && this.payload?.end === undefined) this.payload?.stop(stop);
  }

  /** It is told as failed, and its log is stored. */
  private get isEndedForPilot(): boolean {
    return failureOfPilot(this.stop) !== undefined;
  }

  sample(): JobSample {
    return sampleOf(this.job, this.claimId ?? '', this.now, this.payload?.figures);
  }

  private end(stop: PayloadStop): void {
    if (this.now === 'telling' && stop.why !== 'stale_claim') return;
    if (this.stop?.why !== 'stale_claim') this.stop = stop;
    this.broken.abort();
    this.payload?.stop(stop);
  }

  private async live(): Promise<'finished' | 'failed' | 'neither'> {
    if (this.order === undefined && !(await this.ask())) {
      this.env.claims.remove(this.job);
      return 'neither';
    }
    const told = await this.outcome();
    if (told === undefined) await takeBack(this.payload, this.logger);
    else await this.tellOutcome(told);
    clearAway(this, told, this.env, this.logger);
    if (told?.finished !== undefined) return 'finished';
    return told?.failed === undefined ? 'neither' : 'failed';
  }

  /** @returns whether it was granted */
  private async ask(): Promise<boolean> {
    const { claim, over } = this.options;
    if (claim === undefined) return false;
    const { job, cur_retry, command_id } = claim;
    const { grant, msg, reason } = await this.env.tell({ command_id, claim: { job, cur_retry } });
    if (grant === undefined) {
      over?.(reason === 'unknown' ? 'unknown' : 'refused');
      this.logger.debug({ reason, msg }, 'a claim was refused');
      return false;
    }
    const { inputs: _, ...order } = grant;
    this.order = order;
    this.now = 'staging';
    over?.('granted');
    if (this.cancelBeforeGrant !== undefined) this.cancel(this.cancelBeforeGrant);
    if (this.stop === undefined) await this.begin(grant).catch((error: unknown) => this.noteFailed(error));
    return true;
  }

  private failure: AttemptError | undefined;

  private noteFailed(error: unknown): void {
    this.env.signal.throwIfAborted();
    if (this.stop === undefined || this.isEndedForPilot) this.failure = failureOf(error, this.stop);
  }

  private async begin(grant: Grant): Promise<void> {
    const { env } = this;
    const { memory_mib: mib = 0, claim_id = '', attempt = 0 } = grant;
    env.memory.assertRoomFor(mib);
    await env.memory.take(mib, this.signal);
    this.memory = mib;
    const { isAskedAgain = false } = this.options;
    const key = { job: this.job, attempt };
    const record = await startPayload(
      { grant, key, slot: this.slot, isAskedAgain, signal: this.signal },
      env,
    ).catch((error: unknown) => {
      if (isAskedAgain && isRefusal(error)) this.abandon(messageOf(error));
      throw error;
    });
    this.payload = new RunningPayload(record, env, this.logger);
    this.logger.info({ claim: claim_id, pid: record.process.pid }, 'a job was started');
    if (this.stop !== undefined) this.payload.stop(this.stop);
  }

  /** What is to be told; undefined when nobody wants to hear of it. */
  private async outcome(): Promise<PilotTold | undefined> {
    const { payload } = this;
    if (payload === undefined) return this.outcomeUnstarted();
    const { outcome } = payload.record;
    if (outcome !== undefined) {
      await payload.endRest();
      return outcome;
    }
    this.now = 'running';
    payload.resume();
    this.tellStarted(payload);
    const told = await this.conclude(payload);
    if (told !== undefined) payload.change({ outcome: told });
    return told;
  }

  private outcomeUnstarted(): PilotTold | undefined {
    const { claimId: claim_id = '', job, stop, failure = failureOf(undefined, stop) } = this;
    if (stop?.why === 'cancelled') return cancelledTold(job, claim_id, 0);
    return stop?.why === 'stale_claim' ? undefined : failedTold({ job, claim_id }, failure, failure.message);
  }

  private async conclude(payload: RunningPayload): Promise<PilotTold | undefined> {
    const { env } = this;
    const end = await payload.ended();
    if (end === undefined) throw env.signal.reason;
    const ended = await payload.endRest();
    env.signal.throwIfAborted();
    this.now = 'storing';
    const failure = failureIn(payload.record, end, env.clock.sinceBoot());
    try {
      const signal = this.isEndedForPilot ? env.signal : this.signal;
      if (this.stop?.why === 'cancelled' || this.stop?.why === 'stale_claim')
        return await this.unwanted(ended);
      if (failure !== undefined) return await failedReport(payload, end, failure, env, signal);
      return await storeResults(payload, end, env, signal);
    } catch (error) {
      env.signal.throwIfAborted();
      if (this.broken.signal.aborted && !this.isEndedForPilot) return await this.unwanted(ended);
      return await failedReport(payload, end, failureOf(error, this.stop), env, env.signal);
    }
  }

  private async unwanted(ended: number): Promise<PilotTold | undefined> {
    if (this.stop?.why === 'stale_claim') return undefined;
    await takeBack(this.payload, this.logger);
    return cancelledTold(this.job, this.claimId, ended);
  }

  private tellStarted({ record }: RunningPayload): void {
    const { claim_id, inputs_checked, process } = record;
    const started = { job: this.job, claim_id, ...process, inputs_checked };
    this.env.tell({ command_id: `${claim_id}.started`, started }).then(
      (answer) => this.noteAnswer(answer, 'started'),
      () => undefined,
    );
  }

  private noteAnswer({ is_success, reason, msg = '' }: PilotReportAnswer, what: string): void {
    if (is_success === true) return;
    if (reason === 'stale_claim') this.abandon(msg);
    else this.logger.error({ reason, msg, what }, 'the node refused what was told of a job');
  }

  private async tellOutcome(told: PilotTold): Promise<void> {
    this.now = 'telling';
    const answer = await this.env.tell(told);
    const { is_success, reason, msg = '' } = answer;
    this.storageProblem = storageProblemIn(told, answer);
    // In the name of another session it may have been taken before.
    if (is_success === true || reason === 'stale_session') return;
    if (reason !== 'stale_claim') this.noteAnswer(answer, 'its outcome');
    await takeBack(this.payload, this.logger);
    if (told.finished === undefined || reason === 'stale_claim') return;
    const { job, claimId: claim_id = '' } = this;
    await this.env.tell(untakenTold({ job, claim_id }, this.storageProblem, msg));
  }
}
