/**
 * All attempts of this pilot: those that it takes, and those that one before it has begun.
 *
 * Guarantees: no more at once than there are slots, but for those that were begun when there were more; nothing is asked for without a
 * free slot, while the lease may have ended, or while the pilot drains or rests, since its machine can't use the storage; every record and every claim that was found becomes one attempt;
 * a cancellation of what is not here is answered as such, for it may run where another pilot of the name has left it.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { wait } from '../../../base/backoff.js';
import { messageOf } from '../../../base/errors.js';
import { type ListedProcess, readProcesses } from '../../../processes/process-table.js';
import type { CancelJob, Hint, JobSample } from '../wire/pilot-messages.js';
import { Attempt, type AttemptOptions } from './attempt.js';
import { claimOf } from './claims.js';
import { type HintOver, Hints } from './hints.js';
import type { PayloadEnvironment } from './payload-environment.js';
import type { PayloadKey } from './payload-record.js';
import { StorageRest } from './storage-rest.js';
import { unknownTold } from './told.js';
import { removeWork } from './work-directory.js';

const LOOK_EVERY_MS = 1_000;
const NOBODY: HintOver = () => undefined;

export interface Counts {
  readonly done: number;
  readonly failed: number;
}

export class Attempts {
  private readonly env: PayloadEnvironment;
  private readonly slots: number;
  /** By job: the pilot has one attempt of each at a time. */
  private readonly attempts = new Map<string, Attempt>();
  private readonly lives = new Set<Promise<void>>();
  private readonly hints = new Hints();
  private readonly noteRoom: () => void;
  private readonly rest: StorageRest;
  /** As the road knows it. */
  private lastResting: string | undefined;
  private isDraining = false;
  private isOpen = false;
  private done = 0;
  private failed = 0;

  /** @param noteRoom told whenever `room` may have changed */
  constructor(slots: number, env: PayloadEnvironment, noteRoom: () => void) {
    this.slots = slots;
    this.env = env;
    this.noteRoom = noteRoom;
    this.rest = new StorageRest(env);
  }

  get counts(): Counts {
    return { done: this.done, failed: this.failed };
  }

  get used(): number {
    return this.attempts.size;
  }

  /** Hints that could be asked for at once, beside those that are held. */
  get room(): number {
    if (!this.isOpen || this.isDraining || this.resting !== undefined) return 0;
    return Math.max(0, this.slots - this.attempts.size - this.hints.size);
  }

  /** Why nothing is taken for now. The node hears of it, and gives to others what is out with this pilot. */
  get resting(): string | undefined {
    const { keeper, claims } = this.env;
    if (keeper.hangs) return 'takes nothing, for its keeper of payloads does not answer';
    const { problem } = claims;
    return problem === undefined
      ? this.rest.reason
      : `takes nothing, for its data directory can not be written: ${problem}`;
  }

  get draining(): boolean {
    return this.isDraining;
  }

  samples(): JobSample[] {
    return [...this.attempts.values()].map((attempt) => attempt.sample());
  }

  /** What a pilot before this one has begun. To be called once, before the first hint. */
  adopt(): void {
    const { directory, claims, keeper, logger } = this.env;
    const { processes, problems } = directory.payloads.readAll();
    for (const problem of problems) logger.error({ problem }, 'the record of a payload can not be used');
    directory.payloads.removeLeftovers((key) => keeper.keeps(key));
    // Whose it is that can't be read is not known.
    if (problems.length === 0)
      this.clearWork(new Set(processes.map(({ record }) => directory.workOf(record))));
    for (const { record } of processes) this.begin({ job: record.job, slot: record.slot, record });
    for (const claim of claims.readAll())
      if (!this.attempts.has(claim.job))
        this.begin({ job: claim.job, slot: this.freeSlot(), claim, isAskedAgain: true });
    if (this.attempts.size > 0)
      logger.info({ adopted: processes.length, all: this.attempts.size }, 'what was begun before goes on');
    this.isOpen = true;
    this.noteRoom();
  }

  /** What attempts have left that nobody knows of; one that is asked for again makes its own anew. */
  private clearWork(needed: ReadonlySet<string>): void {
    const { directory, logger } = this.env;
    try {
      for (const name of readdirSync(directory.work)) {
        const path = join(directory.work, name);
        if (!needed.has(path)) removeWork(path);
      }
    } catch (error) {
      logger.error({ reason: messageOf(error) }, 'working directories are left over');
    }
  }

  /** @param over told what became of it; left out, whoever sends hints knows by itself, and has taken the pilot into service */
  hint(hint: Hint, over?: HintOver): void {
    if (over === undefined) this.isDraining = false;
    const isHere = this.attempts.get(hint.job ?? '')?.isOf(hint) === true;
    const isClosed = this.isDraining || this.resting !== undefined;
    if (over !== undefined && (isClosed || isHere)) {
      over(isClosed ? 'released' : 'refused');
      return;
    }
    this.hints.add(hint, over ?? NOBODY);
    this.takeHints();
  }

  /** The node can't be heard: what it announced may be out of date. */
  forgetHints(): void {
    this.hints.releaseAll();
  }

  /** Whether something new is taken. */
  drain(isDraining = true): void {
    this.isDraining = isDraining;
    if (isDraining) this.hints.releaseAll();
    this.noteRoom();
  }

  cancel(order: CancelJob): void {
    const { job = '', claim_id = '' } = order;
    const attempt = this.attempts.get(job);
    const { logger, tell } = this.env;
    if (attempt !== undefined && (attempt.claimId === undefined || attempt.claimId === claim_id)) {
      attempt.cancel(order);
      return;
    }
    logger.info({ job, claim: claim_id }, 'what is to be cancelled is not here');
    tell(unknownTold(job, claim_id)).catch(() => undefined);
  }

  /** The session is over: see `Attempt.noteLeaseOver`. */
  noteLeaseOver(): void {
    this.hints.releaseAll();
    for (const attempt of this.attempts.values()) attempt.noteLeaseOver();
  }

  /** Another session has the lease: nothing of this one counts any more. */
  abandonAll(reason: string): void {
    this.drain();
    for (const attempt of this.attempts.values()) attempt.abandon(reason);
  }

  /** The pilot is told to end with what it runs. Nothing is taken any more. */
  endAll(): void {
    this.drain();
    for (const attempt of this.attempts.values()) attempt.endWithPilot();
  }

  /** Those whose process lives, as far as is known. */
  running(): readonly Attempt[] {
    return [...this.attempts.values()].filter(
      ({ running }) => running !== undefined && running.end === undefined,
    );
  }

  find(job: string, attempt: number): Attempt | undefined {
    const found = this.attempts.get(job);
    return found?.attempt === attempt ? found : undefined;
  }

  /** The keeper has told of an end. */
  noteEnded({ job, attempt }: PayloadKey): void {
    this.find(job, attempt)?.running?.look();
  }

  /** Its keeper is gone. @param newest what it was to start last, and with which it went, presumably */
  noteKeeperLost(newest: PayloadKey | undefined): void {
    const running = this.running().flatMap(({ running: payload }) => payload ?? []);
    const last = running.toSorted((a, b) => b.record.started_time - a.record.started_time)[0]?.record;
    const { job } = newest ?? last ?? {};
    for (const payload of running) if (payload.record.job !== job) payload.change({ bystander: true });
    this.look();
  }

  /** Whether any of them may have ended unseen. */
  look(): void {
    for (const { running } of this.attempts.values()) running?.look();
  }

  /** Looks at all of them now and then, until the pilot stops. */
  async watch(): Promise<void> {
    const { clock, signal, logger } = this.env;
    while (!signal.aborted) {
      await wait(clock, LOOK_EVERY_MS, signal);
      if (signal.aborted) return;
      try {
        this.env.keeper.look();
        this.look();
        this.lookAtFigures();
        this.env.claims.look();
        this.lookAtResting();
        this.takeHints();
      } catch (error) {
        logger.error({ err: error }, 'the payloads can not be looked at; trying again');
      }
    }
  }

  /** The pilot has stopped, or has nothing any more. */
  async ended(): Promise<void> {
    while (this.lives.size > 0) await Promise.all(this.lives);
  }

  private lookAtFigures(): void {
    const running = this.running();
    if (running.length === 0) return;
    const table = readProcesses();
    const byPid = new Map<number, ListedProcess>();
    for (const listed of table.bySession.values()) for (const one of listed) byPid.set(one.pid, one);
    for (const { running: payload } of running) payload?.lookAtFigures(table, byPid);
  }

  private lookAtResting(): void {
    const { resting } = this;
    if (resting === this.lastResting) return;
    this.lastResting = resting;
    if (resting !== undefined) this.hints.releaseAnswered(NOBODY);
    this.noteRoom();
  }

  private takeHints(): void {
    const { mayAct, claims, signal } = this.env;
    for (const [job, { hint, over }] of this.hints) {
      if (!this.isOpen || this.isDraining || signal.aborted || this.attempts.size >= this.slots) return;
      if (!mayAct() || this.resting !== undefined) return;
      // Its next attempt; the one before is being cleared away.
      if (this.attempts.has(job)) continue;
      const claim = claimOf(hint);
      if (claim === undefined) {
        this.hints.take(job);
        over('unknown');
        continue;
      }
      // Others may have it, once the node hears of that.
      if (!claims.write(claim)) return;
      this.hints.take(job);
      this.begin({ job, slot: this.freeSlot(), claim, over });
    }
  }

  private begin(options: AttemptOptions): void {
    const attempt = new Attempt(options, this.env);
    this.attempts.set(options.job, attempt);
    const life = this.live(attempt, options).finally(() => this.lives.delete(life));
    this.lives.add(life);
  }

  private async live(attempt: Attempt, options: AttemptOptions): Promise<void> {
    const outcome = await attempt.run();
    options.over?.('released');
    if (this.env.signal.aborted) return;
    // An older one of the same job was left by a pilot before.
    if (this.attempts.get(attempt.job) === attempt) this.attempts.delete(attempt.job);
    if (outcome === 'finished') this.done += 1;
    if (outcome === 'failed') this.failed += 1;
    this.noteStorage(attempt, outcome);
    this.takeHints();
    this.noteRoom();
  }

  private noteStorage(
    { storageProblem: problem }: Attempt,
    outcome: 'finished' | 'failed' | 'neither' | undefined,
  ): void {
    if (problem === undefined) {
      if (outcome === 'finished' || outcome === 'failed') this.rest.noteUsed();
    } else if (this.rest.noteUnusable(problem)) this.hints.releaseAnswered(NOBODY);
  }

  private freeSlot(): number {
    const taken = new Set([...this.attempts.values()].map(({ slot }) => slot));
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    return slot;
  }
}
