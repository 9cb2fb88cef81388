/**
 * What pilots say of how they are doing, with each heartbeat: kept in memory, stored at most once a minute or when their slots change.
 * It is also how both ends find out that they differ: which of its claims a pilot has, and which payloads it has without a claim.
 *
 * Guarantees: what can't be true is left out and told in the log once; a claim that a pilot lists is not lost, and one that it does
 * not list for a whole lease is marked; what it has to end and has not ended is told it again.
 */

import type { PilotSnapshot } from '../../../../../machines/workload/pilot.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import type { SqlRow } from '../../../../base/sql.js';
import { ToldFailures } from '../../../../base/told-failures.js';
import type { DomainEvent } from '../../../../runtime/actors/actor-type.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import { job } from '../jobs/job-commands.js';
import type { JobQueries } from '../jobs/job-queries.js';
import { markLost, markReturned } from '../jobs/job-upkeep.js';
import { nowSeconds, type WorkloadContext } from '../workload-context.js';
import { pilotKind } from './pilot-kind.js';
import type { JobSampleMessage, SampleMessage } from './report-messages.js';
import type { WorkStreams } from './work-streams.js';

const REPORTED_EVERY_MS = 60_000;
const LONGEST_REASON = 1_000;
const MOST_KNOWN = 10_000;
/** More than slots: what is stored and told counts too. */
const MOST_JOBS = 4_096;

interface Known {
  readonly sessionId: string;
  readonly figures: Figures;
  /** Unix seconds. */
  readonly time: number;
  readonly jobs: readonly JsonObject[];
  /** Why it takes nothing for now. */
  readonly resting: string | undefined;
  reportedAt: number;
  reportedSlots: number | undefined;
  isToldWrong: boolean;
}

interface Figures {
  readonly slots_used: number;
  readonly load?: number;
  readonly rss?: number;
  readonly disk_free?: number;
  readonly jobs_done: number;
  readonly jobs_failed: number;
}

export class PilotSamples {
  private readonly context: WorkloadContext;
  private readonly queries: JobQueries;
  private readonly streams: WorkStreams;
  private readonly known = new Map<string, Known>();
  private readonly refused: ToldFailures;

  constructor(context: WorkloadContext, queries: JobQueries, streams: WorkStreams) {
    this.context = context;
    this.queries = queries;
    this.streams = streams;
    this.refused = new ToldFailures(context.logger);
  }

  /** The newest of a pilot, if this node has heard it. */
  newest(pilot: string): Pick<Known, 'sessionId' | 'figures' | 'time' | 'jobs' | 'resting'> | undefined {
    return this.known.get(pilot);
  }

  async take(pilot: string, sessionId: string, sample: SampleMessage): Promise<void> {
    const { figures, wrong } = readFigures(sample);
    const { jobs: listed = [] } = sample;
    if (listed.length > MOST_JOBS) wrong.push('jobs');
    const jobs = listed.slice(0, MOST_JOBS);
    const before = this.known.get(pilot);
    const isSame = before?.sessionId === sessionId;
    const known: Known = {
      ...{ sessionId, figures, time: nowSeconds(this.context), jobs: jobs.map(shownJob) },
      resting: shownReason(sample.resting),
      reportedAt: isSame ? before.reportedAt : Number.NEGATIVE_INFINITY,
      reportedSlots: isSame ? before.reportedSlots : undefined,
      isToldWrong: isSame && before.isToldWrong,
    };
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(pilot, known);
    if (wrong.length > 0 && !known.isToldWrong) {
      known.isToldWrong = true;
      this.context.logger.warn(
        { pilot, fields: wrong },
        'fields of a sample can not be true; they are left out',
      );
    }
    await this.report(pilot, known);
    // One that lists too many says nothing of the others.
    if (listed.length <= MOST_JOBS) await this.compare(pilot, jobs);
  }

  private async report(pilot: string, known: Known): Promise<void> {
    const now = this.context.clock.monotonic();
    const { figures, sessionId } = known;
    const isDue = now - known.reportedAt >= REPORTED_EVERY_MS || known.reportedSlots !== figures.slots_used;
    if (!isDue) return;
    const { rss, disk_free: free, ...numbers } = figures;
    const data: JsonObject = {
      ...{ session_id: sessionId, ...numbers },
      ...(rss === undefined ? {} : { rss: String(rss) }),
      ...(free === undefined ? {} : { disk_free: String(free) }),
    };
    await this.context.system.execute(pilotKind.type, pilot, {
      by: `pilot ${pilot}`,
      decide: (snapshot) => reported(snapshot, sessionId, data),
    });
    known.reportedAt = now;
    known.reportedSlots = figures.slots_used;
  }

  /** What the store says that it has, and what it says. */
  private async compare(pilot: string, jobs: readonly JobSampleMessage[]): Promise<void> {
    const listed = new Map(jobs.map((one) => [one.job ?? '', one]));
    const rows = this.queries.underWayOf(pilot);
    const living = new Set<string>();
    for (const row of rows) {
      living.add(`${row['id']} ${row['claim_id']}`);
      await this.unlessRefused(String(row['id']), (uid) => this.compareOne(pilot, row, listed.get(uid)));
    }
    for (const { job: uid = '', claim_id: claimId = '' } of jobs)
      if (claimId !== '' && !living.has(`${uid} ${claimId}`))
        await this.unlessRefused(uid, () => this.tellStale(pilot, uid, claimId));
  }

  /** One that can't be read keeps no other from being compared. */
  private async unlessRefused(uid: string, work: (uid: string) => Promise<void>): Promise<void> {
    try {
      await work(uid);
      this.refused.forget(uid);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.refused.tell(uid, error, 'a job can not be compared with what its pilot lists', { job: uid });
    }
  }

  private async compareOne(pilot: string, row: SqlRow, listed: JobSampleMessage | undefined): Promise<void> {
    const [uid, claimId] = [String(row['id']), String(row['claim_id'])];
    const { claim_id: said } = listed ?? {};
    const isAsking = listed !== undefined && (said === undefined || said === '');
    if (said === claimId) {
      if (row['fail_at'] !== null) await this.mark(uid, (snapshot) => markReturned(snapshot, claimId));
      if (row['state'] === 'cancelling') this.tellCancelled(pilot, uid, claimId, 'it is cancelled');
      return;
    }
    const { lease_seconds: lease, give_up_seconds: giveUp } = this.context.config;
    const now = nowSeconds(this.context);
    // What seems to come from later than now was granted before the clock was set back.
    const isFresh = Math.abs(now - Number(row['claimed_time'] ?? 0)) < lease;
    if (isAsking || isFresh || row['fail_at'] !== null) return;
    const remarks = `pilot ${pilot} does not list it among its jobs`;
    await this.mark(uid, (snapshot) => markLost(snapshot, claimId, remarks, now + giveUp));
  }

  /** A payload that runs under a claim that counts no more. */
  private async tellStale(pilot: string, uid: string, claimId: string): Promise<void> {
    const { value, context } = (await this.context.system.read(job, uid)).snapshot;
    // The row may be late. And of what it has finished it may have told the end just now.
    const isDone = value === 'finished' && context.lastClaimId === claimId;
    if (context.claim?.claimId === claimId || isDone) return;
    this.tellCancelled(pilot, uid, claimId, 'its claim counts no more');
  }

  private tellCancelled(pilot: string, uid: string, claimId: string, reason: string): void {
    const { grace_seconds } = this.context.config;
    const cancel = { job: uid, claim_id: claimId, grace_seconds, reason };
    this.streams.of(pilot)?.tell({ cancel });
  }

  private async mark(
    uid: string,
    decide: (snapshot: Parameters<typeof markReturned>[0]) => DomainEvent[],
  ): Promise<void> {
    await this.context.system.execute(job, uid, { by: 'samples', decide });
  }
}

function reported({ value, context }: PilotSnapshot, sessionId: string, data: JsonObject): DomainEvent[] {
  if (context.sessionId !== sessionId || value.duty === 'retired') return [];
  return [{ type: 'PilotReported', data }];
}

function readFigures(sample: SampleMessage): { figures: Figures; wrong: string[] } {
  const wrong: string[] = [];
  const read = (name: 'slots_used' | 'load' | 'rss' | 'disk_free' | 'jobs_done' | 'jobs_failed') => {
    const value = sample[name];
    if (value === undefined) return undefined;
    const isWhole = name === 'load' || Number.isSafeInteger(value);
    if (Number.isFinite(value) && value >= 0 && isWhole) return value;
    wrong.push(name);
    return undefined;
  };
  const [load, rss, free] = [read('load'), read('rss'), read('disk_free')];
  const figures = {
    ...{ slots_used: read('slots_used') ?? 0, jobs_done: read('jobs_done') ?? 0 },
    jobs_failed: read('jobs_failed') ?? 0,
    ...(load === undefined ? {} : { load }),
    ...(rss === undefined ? {} : { rss }),
    ...(free === undefined ? {} : { disk_free: free }),
  };
  return { figures, wrong };
}

/** As one line. */
function shownReason(reason: string | undefined): string | undefined {
  const line = reason?.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, LONGEST_REASON);
  return line === '' ? undefined : line;
}

function shownJob({ job: uid = '', phase = '', cpu, rss, log_bytes: log }: JobSampleMessage): JsonObject {
  const number = (value: number | undefined) =>
    value === undefined || !Number.isFinite(value) || value < 0 ? null : value;
  return {
    ...{ job: uid.slice(0, 64), phase: phase.slice(0, 32) },
    ...{ cpu: number(cpu), rss: number(rss), log_bytes: number(log) },
  };
}
