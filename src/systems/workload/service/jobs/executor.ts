/**
 * The executor: hands jobs that were created to the queue, by rank and then by age, never more than pilots can soon take, so that a
 * later one of higher rank waits for few; sends a hint again that nobody came for though there is room; and lets a job fail that no
 * pilot has ever been able to run.
 *
 * Guarantees: only jobs are queued whose executable and memory some pilot that is there offers, so what nobody can take is in
 * nobody's way; none of a task that is held or ends; none before its time, whatever becomes of the wall clock meanwhile; one whose
 * stream can't be read keeps no other waiting (left-out.ts); each of its commands changes nothing the second time, so a node
 * that is killed between publishing and storing, and a second executor, do no harm.
 */

import type { JobSnapshot } from '../../../../../machines/workload/job.js';
import { limitConcurrency } from '../../../../base/limit-concurrency.js';
import { uuidOf } from '../../../../base/uuid.js';
import type { Loop, LoopContext, LoopRest } from '../../../../runtime/loops/loop.js';
import { DEVICES } from '../../devices.js';
import { LeftOut } from '../left-out.js';
import { Settling } from '../switches/settling.js';
import { isStrictlyOff, whileOn } from '../switches/switch-gates.js';
import type { WorkloadContext } from '../workload-context.js';
import { ExecutorAppetite } from './executor-appetite.js';
import { job } from './job-commands.js';
import type { JobQueries, Offer, Offered, WaitingJob } from './job-queries.js';
import type { JobQueue } from './job-queue.js';
import { queue, requeue, withdraw } from './job-upkeep.js';
import { type Offers, offeredBy } from './offers.js';
import { UnknownExecutables } from './unknown-executables.js';

const NAME = 'workload-executor';
const BATCH = 100;
/** Of an executable twice the free slots are queued, and so many at least; a batch may be above that. */
const LEAST_DEPTH = 50;
const NEARLY_FULL = 0.75;
const IN_PARALLEL = 64;
const LEASE_SECONDS = 10;

/** While a queue is full, what was created behind it is looked at so often: it may be what nobody can run. */
const LOOKS_BEHIND_SECONDS = 10;
const NOBODY = { isHungry: true, spare: Number.POSITIVE_INFINITY };

export interface ExecutorOptions {
  readonly context: Pick<
    WorkloadContext,
    'system' | 'config' | 'clock' | 'gates' | 'logger' | 'readYourWrites'
  >;
  readonly queries: JobQueries;
  readonly offers: Offers;
  readonly queue: JobQueue;
  readonly readModel: string;
}

export function executor(options: ExecutorOptions): Loop {
  const rounds = new Executor(options);
  return {
    name: NAME,
    readModels: [options.readModel],
    leaseSeconds: LEASE_SECONDS,
    begin: (loop) => rounds.begin(loop),
    applied: (events) => {
      rounds.settling.applied(events);
      return rounds.appetite.isNews(events);
    },
    round: (loop) => rounds.round(loop),
  };
}

class Executor {
  readonly appetite = new ExecutorAppetite();
  readonly settling: Settling;
  private readonly parallel = limitConcurrency(IN_PARALLEL);
  /** By device: before that no hint is older than it may be, in Unix seconds. */
  private readonly hintsDue = new Map<string, number>();
  private readonly context: ExecutorOptions['context'];
  private readonly queries: JobQueries;
  private readonly offers: Offers;
  private readonly hints: JobQueue;
  private readonly unknown: UnknownExecutables;
  private readonly leftOut: LeftOut;

  constructor({ context, queries, offers, queue: hints }: ExecutorOptions) {
    this.context = context;
    this.queries = queries;
    this.offers = offers;
    this.hints = hints;
    const { system, clock, config, logger } = context;
    this.leftOut = new LeftOut(logger, NAME);
    this.settling = new Settling(context, 'executor', (term) => this.takeBack(term));
    this.unknown = new UnknownExecutables({
      ...{ system, clock, queries, afterSeconds: config.unknown_after_seconds },
      leftOut: this.leftOut,
    });
  }

  async begin(loop: LoopContext): Promise<void> {
    this.leftOut.forgetAll();
    await this.settling.begin(loop);
  }

  async round(loop: LoopContext): Promise<LoopRest> {
    await this.settling.round(loop);
    let sent = 0;
    const isStrict = await isStrictlyOff(this.context);
    for (const device of DEVICES) {
      if (!isStrict) sent += await this.sendAgain(device, loop);
      const queued = await this.fill(device, loop);
      if (queued === BATCH) return { until: loop.now };
      sent += queued;
    }
    const now = loop.now / 1000;
    const times = DEVICES.flatMap((device) =>
      this.offersOf(device).length === 0 ? [] : this.nextAt(device, now),
    );
    if (this.appetite.isAnyFull) times.push(now + LOOKS_BEHIND_SECONDS);
    // The rows do not show these yet.
    if (sent > 0) times.push(now + this.context.config.requeue_seconds);
    const looksAt = await this.unknown.look(loop.now);
    if (looksAt !== undefined) times.push(looksAt / 1000);
    return times.length === 0 ? {} : { until: Math.min(...times) * 1000 };
  }

  /** Nothing that is queued is granted any more: it waits to be queued again. */
  private async takeBack(term: LoopContext): Promise<void> {
    await this.context.readYourWrites();
    const reason = 'the executor was switched off, strictly';
    await Promise.all(
      this.queries.allQueued().map((one) =>
        this.parallel(() => {
          term.assertMayAct();
          const decide = (snapshot: JobSnapshot) => withdraw(snapshot, reason);
          // What can't be read is granted to nobody either.
          return this.leftOut.tell(one, () =>
            this.context.system.execute(job, one.uid, { by: 'executor', decide }),
          );
        }),
      ),
    );
  }

  private offersOf(device: string): Offer[] {
    return this.offers.all().filter(({ deviceType }) => deviceType === device);
  }

  /** @returns how many were queued: as many as a batch holds, and there may be more */
  private async fill(device: string, loop: LoopContext): Promise<number> {
    const offers = this.offersOf(device);
    if (offers.length === 0) this.appetite.looked(device, NOBODY);
    if (offers.length === 0) return 0;
    const { wanted, spare } = this.wanting(device, offers);
    const wants = Object.keys(wanted).length > 0;
    const most = BATCH + this.leftOut.size;
    const found = wants ? this.queries.candidates(device, wanted, loop.now / 1000, most) : [];
    const batch = this.leftOut.without(found, BATCH);
    this.appetite.looked(device, { isHungry: wants, spare });
    if (batch.length === 0) return 0;
    const queued = await whileOn(this.context, 'executor', () => this.queueAll(device, batch, loop));
    return queued ?? 0;
  }

  private async queueAll(device: string, batch: readonly WaitingJob[], loop: LoopContext): Promise<number> {
    await this.publish(device, batch, loop);
    const told = await Promise.all(
      batch.map((one) =>
        this.parallel(() =>
          this.leftOut.tell(one, () =>
            this.context.system.execute(job, one.uid, {
              // A UUID takes a fifth of the room, and each job has one.
              id: uuidOf(`owl/workload/queue/1/${one.uid}/${one.revision}`),
              by: 'executor',
              decide: (snapshot) => queue(snapshot, this.hints.name, `${loop.now}`),
            }),
          ),
        ),
      ),
    );
    return told.filter(Boolean).length;
  }

  /** Executables of which more are to be queued: each has a depth of its own, so that none is in another's way. */
  private wanting(
    device: string,
    offers: readonly Offer[],
  ): { readonly wanted: Offered; readonly spare: number } {
    const depths = this.queries.depths(device);
    let spare = Number.POSITIVE_INFINITY;
    const wanted = Object.entries(offeredBy(offers)).filter(([executable]) => {
      const able = offers.filter(({ executables }) => executables.has(executable));
      const depth = Math.max(LEAST_DEPTH, 2 * freeSlots(able));
      // A queue that is nearly full is left alone: filled again and again by one, it would be looked at with every event.
      const above = (depths.get(executable) ?? 0) - depth * NEARLY_FULL;
      if (above >= 0) spare = Math.min(spare, above);
      return above < 0;
    });
    return { wanted: Object.fromEntries(wanted), spare };
  }

  /** Hints that nobody came for, while there is room for what they are about. */
  private async sendAgain(device: string, loop: LoopContext): Promise<number> {
    const { requeue_seconds: seconds } = this.context.config;
    const offers = this.offersOf(device);
    if (offers.length === 0) return 0;
    const times = { now: loop.now / 1000, seconds };
    if (!this.mayBeOld(device, offers, times)) return 0;
    const free = offers.filter(({ slots, slotsUsed }) => slots > slotsUsed);
    const most = Math.min(freeSlots(free), BATCH);
    if (most === 0) return 0;
    const found = this.queries.hintedBefore(device, offeredWithRoom(free), times, most + this.leftOut.size);
    const batch = this.leftOut.without(found, most);
    if (batch.length === 0) return 0;
    await this.publish(device, batch, loop);
    const reason = `nobody has come for it in ${seconds} s though slots are free`;
    for (const one of batch)
      await this.leftOut.tell(one, () =>
        this.context.system.execute(job, one.uid, {
          id: `requeue/${one.uid}/${one.revision}`,
          by: 'executor',
          decide: (snapshot) => requeue(snapshot, this.hints.name, reason),
        }),
      );
    return batch.length;
  }

  /** Whether a hint may be older than it should: the rows are looked at when the first one of them can be. */
  private mayBeOld(
    device: string,
    offers: readonly Offer[],
    times: { readonly now: number; readonly seconds: number },
  ): boolean {
    const { now, seconds } = times;
    const due = this.hintsDue.get(device);
    // What is further ahead was written before the clock was set back.
    if (due !== undefined && now < due && due <= now + seconds) return false;
    const isOld = this.queries.hintedBefore(device, offeredBy(offers), times, 1).length > 0;
    if (isOld) this.hintsDue.delete(device);
    else this.hintsDue.set(device, (this.queries.nextHinted(device, now - seconds) ?? now) + seconds);
    return isOld;
  }

  private async publish(device: string, batch: readonly WaitingJob[], loop: LoopContext): Promise<void> {
    loop.assertMayAct();
    const told = batch.map(({ uid, curRetry, executable, memoryMib }) => ({
      ...{ job: uid, curRetry, executable, memoryMib },
    }));
    await this.hints.publish(device, told, loop.signal);
  }

  private nextAt(device: string, now: number): number[] {
    const { requeue_seconds: seconds } = this.context.config;
    const hinted = this.queries.nextHinted(device, now - seconds);
    const due = this.queries.nextDue(device, now);
    return [...(hinted === undefined ? [] : [hinted + seconds]), ...(due === undefined ? [] : [due])];
  }
}

function freeSlots(offers: readonly Offer[]): number {
  return offers.reduce((sum, { slots, slotsUsed }) => sum + Math.max(slots - slotsUsed, 0), 0);
}

/** By executable, the memory that one of them has left. */
function offeredWithRoom(offers: readonly Offer[]): Offered {
  return offeredBy(
    offers.map((offer) =>
      offer.memoryMib === undefined
        ? offer
        : { ...offer, memoryMib: Math.max(offer.memoryMib - offer.memoryUsedMib, 0) },
    ),
  );
}
