/**
 * Hints that this node takes from the queues at the broker for pilots that are connected to it, and hands to whoever has room.
 *
 * Guarantees: what is taken is the broker's until its job is granted or over; of what is out a pilot that leaves, or is given nothing any
 * more, comes for nothing; what nobody here can take is given back, and not taken again at once, and nothing is taken or given while the
 * executor is strictly off; a hint of a job that there is not goes to the dead.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../../../base/clock.js';
import { messageOf } from '../../../../base/errors.js';
import { type SqlRow, textIn } from '../../../../base/sql.js';
import { DEVICES } from '../../devices.js';
import type { BrokerChannel, Delivery, OpenedChannel } from '../../wire/amqp/broker-channel.js';
import { decode, JOB_TYPE, PoisonMessageError } from '../../wire/amqp/envelope.js';
import { JOBS_DEAD, jobsQueue } from '../../wire/amqp/topology.js';
import { type BuriedCounts, bury } from '../broker/dead-letters.js';
import { type Room, roomsOf, takeRoom } from './hint-rooms.js';
import type { JobQueries } from './job-queries.js';
import type { HintConsumer, JobHint } from './job-queue.js';
import type { Offers } from './offers.js';

/** Before a job is given again whose claim came to nothing. */
export const AGAIN_AFTER_MS = 2_000;
/** What nobody here can take is kept so long before it is given back, and is not taken again for as long. */
const KEEP_MS = 2_000;
/** While somebody here has room: what others give back is told by nobody. */
const LOOK_EVERY_MS = 500;
const MOST_KEPT = 50;

export interface HandedHintsOptions {
  readonly channel: () => BrokerChannel;
  readonly buried: BuriedCounts;
  readonly queries: JobQueries;
  readonly offers: Offers;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Held {
  readonly hint: JobHint;
  readonly device: string;
  readonly delivery: Delivery;
  /** Monotonic milliseconds. */
  keptUntil: number;
  pausedUntil: number;
  /** Undefined: nobody has it. */
  pilot: string | undefined;
  memoryMib: number;
}

export class HandedHints {
  private readonly options: HandedHintsOptions;
  private readonly consumers = new Map<string, HintConsumer>();
  private readonly held = new Map<string, Held>();
  /** By device: not looked at before, in monotonic milliseconds. */
  private readonly restsUntil = new Map<string, number>();
  private isWanted = false;
  private isGiving = false;
  private isStopped = false;
  private cancelLook: (() => void) | undefined;

  constructor(options: HandedHintsOptions) {
    this.options = options;
  }

  /** That are out. */
  get delivered(): number {
    return [...this.held.values()].filter(({ pilot }) => pilot !== undefined).length;
  }

  countOf(device: string): number {
    return [...this.held.values()].filter((one) => one.device === device).length;
  }

  has(uid: string): boolean {
    return this.held.has(uid);
  }

  consume(consumer: HintConsumer): () => void {
    this.release(consumer.pilot);
    this.consumers.set(consumer.pilot, consumer);
    this.wake();
    return () => {
      if (this.consumers.get(consumer.pilot) !== consumer) return;
      this.consumers.delete(consumer.pilot);
      this.release(consumer.pilot);
      this.wake();
    };
  }

  /** It came to nothing with that pilot. */
  pause(pilot: string, uid: string): void {
    const held = this.held.get(uid);
    if (held?.pilot !== pilot) return;
    held.pilot = undefined;
    held.pausedUntil = this.options.clock.monotonic() + AGAIN_AFTER_MS;
    held.keptUntil = held.pausedUntil + KEEP_MS;
    this.wake();
  }

  /** Its job is granted, over, or hinted at anew. */
  forget(uid: string): void {
    this.held.get(uid)?.delivery.ack();
    this.held.delete(uid);
  }

  /** Who has left, or is given nothing any more, comes for nothing. */
  private release(pilot: string): void {
    for (const held of this.held.values()) if (held.pilot === pilot) this.unassign(held);
  }

  private unassign(held: Held): void {
    held.pilot = undefined;
    held.keptUntil = this.options.clock.monotonic() + KEEP_MS;
  }

  /** The channel is gone: all of it is the broker's again. */
  lose(): void {
    this.held.clear();
  }

  stop(): void {
    this.isStopped = true;
    this.cancelLook?.();
    this.consumers.clear();
    this.held.clear();
  }

  /** Something has changed. */
  wake(): void {
    if (this.isWanted || this.isStopped || (this.consumers.size === 0 && this.held.size === 0)) return;
    this.isWanted = true;
    if (this.isGiving) return;
    setImmediate(() => void this.rounds());
  }

  private async rounds(): Promise<void> {
    if (this.isGiving || this.isStopped) return;
    this.isGiving = true;
    try {
      while (this.isWanted && !this.isStopped) {
        this.isWanted = false;
        await this.give();
      }
    } catch (error) {
      if (!this.isStopped)
        this.options.logger.warn({ reason: messageOf(error) }, 'no hints can be given; trying again');
      this.lookAgain(AGAIN_AFTER_MS);
    } finally {
      this.isGiving = false;
    }
  }

  private async give(): Promise<void> {
    const { opened } = this.options.channel();
    if (opened === undefined) return;
    const isOff = this.options.queries.isStrictlyOff();
    const rooms = isOff ? [] : this.rooms();
    for (const device of DEVICES) {
      const ofDevice = rooms.filter(({ offer }) => offer.deviceType === device);
      for (const held of this.unassigned(device)) this.assign(held, ofDevice);
      await this.fetch(opened, device, ofDevice);
    }
    await this.giveBack(opened);
    this.lookAgain(this.nextLookMs(isOff ? [] : this.rooms()));
  }

  private rooms(): Room[] {
    const offers = this.options.offers.all();
    const here = offers.filter(({ pilot, sessionId }) => this.consumers.get(pilot)?.sessionId === sessionId);
    const serving = new Set(here.map(({ pilot }) => pilot));
    for (const held of this.held.values())
      if (held.pilot !== undefined && !serving.has(held.pilot)) this.unassign(held);
    const given = [...this.held.values()].flatMap(({ pilot, memoryMib }) =>
      pilot === undefined ? [] : [{ pilot, memoryMib }],
    );
    return roomsOf(here, this.consumers, given);
  }

  private unassigned(device: string): Held[] {
    return [...this.held.values()].filter((held) => held.pilot === undefined && held.device === device);
  }

  private async fetch(opened: OpenedChannel, device: string, rooms: readonly Room[]): Promise<void> {
    if ((this.restsUntil.get(device) ?? 0) > this.options.clock.monotonic()) return;
    while (opened.isOpen && !this.isStopped && rooms.some(({ slots }) => slots > 0)) {
      if (this.unassigned(device).length >= MOST_KEPT) return;
      const delivery = await opened.get(jobsQueue(device));
      if (delivery === undefined) return;
      const held = await this.hold(opened, device, delivery);
      if (held !== undefined) this.assign(held, rooms);
    }
  }

  /** Undefined: it was of no use. */
  private async hold(opened: OpenedChannel, device: string, delivery: Delivery): Promise<Held | undefined> {
    const now = this.options.clock.monotonic();
    try {
      const { body } = decode(delivery.message, [JOB_TYPE]);
      const { job, cur_retry: curRetry = 0 } = body;
      if (typeof job !== 'string' || typeof curRetry !== 'number')
        throw new PoisonMessageError('it names no job');
      // A second one of the same job: the first is out already.
      this.forget(job);
      const held: Held = {
        ...{ hint: { job, curRetry }, device, delivery, keptUntil: now + KEEP_MS, pausedUntil: 0 },
        ...{ pilot: undefined, memoryMib: 0 },
      };
      this.held.set(job, held);
      return held;
    } catch (error) {
      if (!(error instanceof PoisonMessageError)) throw error;
      await this.bury(opened, device, delivery, error);
      return undefined;
    }
  }

  private assign(held: Held, rooms: readonly Room[]): void {
    const { hint } = held;
    const row = this.options.queries.row(hint.job);
    // It is stored in a moment that it is queued.
    if (row === undefined || row['state'] === 'created') return;
    if (row['state'] !== 'queued') {
      this.forget(hint.job);
      return;
    }
    if (held.pausedUntil > this.options.clock.monotonic()) return;
    const job = waitingIn(row);
    const room = takeRoom(job, rooms);
    if (room === undefined || this.consumers.get(room.offer.pilot) !== room.consumer) return;
    held.pilot = room.offer.pilot;
    held.memoryMib = job.memoryMib;
    room.consumer.deliver(hint);
  }

  /** What nobody here could take for a while is for others. */
  private async giveBack(opened: OpenedChannel): Promise<void> {
    const { clock, queries } = this.options;
    const now = clock.monotonic();
    for (const [uid, { pilot, keptUntil, delivery, device }] of [...this.held]) {
      if (pilot !== undefined || (keptUntil > now && this.consumers.size > 0)) continue;
      this.held.delete(uid);
      this.restsUntil.set(device, now + KEEP_MS);
      if (queries.row(uid) === undefined && keptUntil <= now)
        await this.bury(opened, device, delivery, nobodys(uid));
      else delivery.release();
    }
  }

  private async bury(
    opened: OpenedChannel,
    device: string,
    delivery: Delivery,
    { message: reason, poison }: PoisonMessageError,
  ): Promise<void> {
    const from = jobsQueue(device);
    this.options.buried.add(JOBS_DEAD, poison);
    this.options.logger.warn({ queue: from, reason }, 'a hint is of no use; it lies with the dead');
    await bury(opened, delivery, { to: JOBS_DEAD, from, reason });
  }

  private nextLookMs(rooms: readonly Room[]): number | undefined {
    const now = this.options.clock.monotonic();
    const times = [...this.held.values()].flatMap(({ pilot, keptUntil, pausedUntil }) =>
      pilot === undefined ? [pausedUntil > now ? pausedUntil - now : keptUntil - now] : [],
    );
    if (rooms.some(({ slots }) => slots > 0)) times.push(LOOK_EVERY_MS);
    return times.length === 0 ? undefined : Math.max(Math.min(...times), 1);
  }

  private lookAgain(delayMs: number | undefined): void {
    this.cancelLook?.();
    if (delayMs !== undefined) this.cancelLook = this.options.clock.after(delayMs, () => this.wake());
  }
}

function nobodys(uid: string): PoisonMessageError {
  return new PoisonMessageError(`there is no job ${uid}`, { poison: 'unknown_job' });
}

function waitingIn(row: SqlRow) {
  const { memory_mib: memory, losses, pilot } = row;
  return {
    executable: textIn(row, 'executable'),
    memoryMib: typeof memory === 'number' ? memory : 0,
    losses: typeof losses === 'number' ? losses : 0,
    pilot: typeof pilot === 'string' ? pilot : null,
  };
}
