/**
 * Claims of which nobody knows whether their pilot still has them: those of a session before, of one that has left, and what a pilot
 * does not list among its jobs. Each is marked in the store; the mark goes when the pilot lists it.
 *
 * Guarantees: an attempt fails when its claim has stayed marked for as long as a pilot may be silent, in time in which this node was
 * listening: by then its keeper has ended the payload, wherever that runs, so no second attempt runs beside it; the node that keeps
 * the lease judges, and after a restart it counts anew; nobody is judged while the store is away, nor by one look; of a pilot that is
 * lost itself the give-up of its lease takes care (give-ups.ts of the peers).
 */

import type { JobSnapshot } from '../../../../../machines/workload/job.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import { hearOut, type ListeningTime } from '../../../../base/listening-time.js';
import type { SqlRow } from '../../../../base/sql.js';
import { ToldFailures } from '../../../../base/told-failures.js';
import { idOf, type JsonObject, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { attemptedOf, logAttempt } from '../jobs/attempt-log.js';
import { giveUp, job } from '../jobs/job-commands.js';
import type { JobQueries } from '../jobs/job-queries.js';
import { markLost } from '../jobs/job-upkeep.js';
import { failureTerms, nowSeconds, type WorkloadContext } from '../workload-context.js';
import { pilotKind } from './pilot-kind.js';

const RETRY_MS = 1_000;
const ENDS: ReadonlySet<string> = new Set([
  ...['JobPilotReturned', 'JobAttemptFailed', 'JobFailed', 'JobFinished', 'JobCancelled'],
]);

interface Marked {
  readonly uid: string;
  readonly pilot: string;
  readonly claimId: string;
  readonly over: AbortController;
}

export class LostClaims {
  private readonly context: WorkloadContext;
  private readonly queries: JobQueries;
  private readonly listening: ListeningTime;
  private readonly marked = new Map<string, Marked>();
  private readonly running = new Set<Promise<void>>();
  private readonly refused: ToldFailures;
  private stopped = false;

  constructor(context: WorkloadContext, queries: JobQueries, listening: ListeningTime) {
    this.context = context;
    this.queries = queries;
    this.listening = listening;
    this.refused = new ToldFailures(context.logger);
  }

  /** Late or repeated events do no harm: the store is asked. */
  observe(events: readonly RecordedEvent[]): void {
    const leases = new Map<string, SqlRow | undefined>();
    const leaseOf = (pilot: string): SqlRow | undefined => {
      if (!leases.has(pilot)) leases.set(pilot, this.queries.leaseOf(pilot));
      return leases.get(pilot);
    };
    for (const { type, stream, data } of events) {
      if (type === 'JobClaimed') this.lookAtPilot(idOf(stream), data, leaseOf);
      else if (type === 'JobPilotLost') this.watch(idOf(stream), String(data['claim_id']));
      else if (ENDS.has(type)) this.forget(idOf(stream));
    }
  }

  /** Those that were marked when this node began. */
  resume(): void {
    for (const row of this.queries.marked()) this.watch(String(row['id']), String(row['claim_id']));
  }

  stop(): void {
    this.stopped = true;
    for (const uid of this.marked.keys()) this.forget(uid);
  }

  async ended(): Promise<void> {
    await Promise.all(this.running);
  }

  private watch(uid: string, claimId: string): void {
    if (this.stopped || this.marked.get(uid)?.claimId === claimId) return;
    this.forget(uid);
    const pilot = String(this.queries.row(uid)?.['pilot'] ?? '');
    const marked = { uid, pilot, claimId, over: new AbortController() };
    this.marked.set(uid, marked);
    const running = this.run(marked).finally(() => this.running.delete(running));
    this.running.add(running);
  }

  /** One that was granted while its pilot was lost: what became of the pilot was carried to its jobs before. */
  private lookAtPilot(
    uid: string,
    { pilot, session_id: session, claim_id }: JsonObject,
    leaseOf: (pilot: string) => SqlRow | undefined,
  ): void {
    const row = typeof pilot === 'string' ? leaseOf(pilot) : undefined;
    if (row === undefined || (row['lease'] === 'attached' && row['session_id'] === session)) return;
    const { system, config, logger } = this.context;
    const remarks = `pilot ${String(pilot)} was gone when it was granted the job`;
    const failAt = nowSeconds(this.context) + config.give_up_seconds;
    const decide = (snapshot: JobSnapshot) => markLost(snapshot, String(claim_id), remarks, failAt);
    system.execute(job, uid, { by: 'lease', decide }).catch((error: unknown) => {
      if (!this.stopped)
        logger.warn({ err: error, job: uid, pilot }, 'a job was not marked; it is given up unmarked');
    });
  }

  private forget(uid: string): void {
    this.marked.get(uid)?.over.abort();
    this.marked.delete(uid);
  }

  private async run(marked: Marked): Promise<void> {
    const { lease_seconds: lease, give_up_seconds: giveUpSeconds } = this.context.config;
    const { signal } = marked.over;
    let waitMs = (giveUpSeconds - lease) * 1000;
    while (!signal.aborted) {
      await this.listening.wait(waitMs, signal);
      if (signal.aborted) return;
      waitMs = await this.judge(marked, signal, { leaseMs: lease * 1000, giveUpMs: giveUpSeconds * 1000 });
    }
  }

  /** @returns how long to wait before it is judged again */
  private async judge(
    { uid, pilot, claimId }: Marked,
    signal: AbortSignal,
    times: { readonly leaseMs: number; readonly giveUpMs: number },
  ): Promise<number> {
    const { system, logger } = this.context;
    try {
      if (!(await this.isOurs(pilot))) return times.giveUpMs;
      // The store answers; now its pilot has a full lease to be heard.
      await this.listening.wait(times.leaseMs, signal);
      await hearOut();
      if (signal.aborted || !(await this.isOurs(pilot))) return times.giveUpMs;
      const detail = `pilot ${pilot} does not have it any more`;
      const { events } = await system.execute(job, uid, {
        by: 'lease',
        decide: (snapshot) =>
          snapshot.context.failAt === null
            ? []
            : giveUp(snapshot, claimId, detail, failureTerms(this.context)),
      });
      logAttempt(logger, events, attemptedOf(this.context, uid, pilot));
      return times.giveUpMs;
    } catch (error) {
      if (this.stopped) return times.giveUpMs;
      if (isRefusal(error)) {
        // Nobody can know before somebody mends the stream.
        this.refused.tell(uid, error, 'a lost job can not be given up', { job: uid, pilot });
        return times.giveUpMs;
      }
      logger.warn({ err: error, job: uid, pilot }, 'a lost job was not given up; trying again');
      return RETRY_MS;
    }
  }

  /** Its pilot holds its lease here, or none at all. */
  private async isOurs(pilot: string): Promise<boolean> {
    const { snapshot } = await this.context.system.read(pilotKind.type, pilot);
    const { lease } = snapshot.value;
    return (
      lease === 'detached' || (lease === 'attached' && snapshot.context.nodeId === this.context.node.workerId)
    );
  }
}
