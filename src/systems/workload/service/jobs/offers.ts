/**
 * Who could take work, and how much of it, kept in memory: the pilots and what they have under way, read once and moved on with each
 * event that is applied.
 *
 * Guarantee: what is told is what the rows say once the events that were applied have been observed: what can't be followed from an
 * event alone is read again.
 */

import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import type { JobOrders } from './job-orders.js';
import type { JobQueries, Offer, Offered, PilotOffer } from './job-queries.js';

/** Of a pilot they change nothing that is offered. */
const OFFERS_THE_SAME: ReadonlySet<string> = new Set(['PilotReported', 'PilotLeaseKept']);
const ENDS_AN_ATTEMPT: ReadonlySet<string> = new Set([
  ...['JobFinished', 'JobFailed', 'JobAttemptFailed', 'JobCancelled'],
]);

interface UnderWay {
  readonly pilot: string;
  readonly memoryMib: number;
}

interface Used {
  slots: number;
  memoryMib: number;
}

export class Offers {
  private readonly queries: JobQueries;
  private readonly orders: Pick<JobOrders, 'memoryOf'>;
  private pilots: readonly PilotOffer[] | undefined;
  /** By job; undefined while it is to be read. */
  private underWay: Map<string, UnderWay> | undefined;
  private readonly used = new Map<string, Used>();
  private told: readonly Offer[] | undefined;

  /** @param orders of jobs, as far as they are known: those that are granted here are */
  constructor(queries: JobQueries, orders: Pick<JobOrders, 'memoryOf'>) {
    this.queries = queries;
    this.orders = orders;
  }

  /** Pilots that may be given work, on any node. */
  all(): readonly Offer[] {
    this.pilots ??= this.queries.pilotsThatServe();
    if (this.underWay === undefined) this.read();
    this.told ??= this.pilots.map((pilot) => {
      const { slots = 0, memoryMib = 0 } = this.used.get(pilot.pilot) ?? {};
      return { ...pilot, slotsUsed: slots, memoryUsedMib: memoryMib };
    });
    return this.told;
  }

  /** What was applied to the rows. */
  observe(events: readonly RecordedEvent[]): void {
    for (const event of events) {
      if (event.stream.startsWith('wl_pilot-')) this.observePilot(event);
      else if (event.stream.startsWith('wl_job-')) this.observeJob(event);
    }
  }

  /** The rows are others. */
  forget(): void {
    this.pilots = undefined;
    this.underWay = undefined;
    this.told = undefined;
  }

  private observePilot({ type }: RecordedEvent): void {
    if (OFFERS_THE_SAME.has(type)) return;
    this.pilots = undefined;
    this.told = undefined;
  }

  private observeJob({ stream, type, data }: RecordedEvent): void {
    if (this.underWay === undefined) return;
    const uid = idOf(stream);
    if (type === 'JobClaimed' && typeof data['pilot'] === 'string') {
      this.drop(uid);
      const memoryMib = this.orders.memoryOf(uid) ?? this.queries.memoryOf(uid);
      this.take(uid, { pilot: data['pilot'], memoryMib });
    } else if (ENDS_AN_ATTEMPT.has(type)) this.drop(uid);
  }

  private read(): void {
    this.underWay = new Map();
    this.used.clear();
    for (const { uid, pilot, memoryMib } of this.queries.underWay()) this.take(uid, { pilot, memoryMib });
  }

  private take(uid: string, job: UnderWay): void {
    this.underWay?.set(uid, job);
    this.change(job, 1);
  }

  private drop(uid: string): void {
    const job = this.underWay?.get(uid);
    if (job === undefined) return;
    this.underWay?.delete(uid);
    this.change(job, -1);
  }

  private change({ pilot, memoryMib }: UnderWay, by: 1 | -1): void {
    const used = this.used.get(pilot) ?? { slots: 0, memoryMib: 0 };
    used.slots += by;
    used.memoryMib += by * memoryMib;
    this.used.set(pilot, used);
    this.told = undefined;
  }
}

/** By executable, for the pilots of one device. */
export function offeredBy(offers: readonly Offer[]): Offered {
  const most: Record<string, number> = {};
  for (const { executables, memoryMib = Number.MAX_SAFE_INTEGER } of offers)
    for (const executable of executables) most[executable] = Math.max(most[executable] ?? 0, memoryMib);
  return most;
}
