/**
 * What supervisors ask: their tasks, as old ones poll for them and as new ones get them pushed, and their lease.
 *
 * Guarantees: old supervisors see every task that waits; a new one is told at once what waits for it and what to stop, as
 * long as its session holds the lease.
 */

import * as rules from '../../../../base/field-rules.js';
import type { SqlRow } from '../../../../base/sql.js';
import { answered, type ServedOperation } from '../../../../node/operations/operation.js';
import { type Peer, serverStream, type UnderWay, unary } from '../../../../node/serving/calls.js';
import type { EncodedMessage } from '../../../../node/serving/encoded.js';
import type { Lease } from '../../../../peers/held-leases.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import type {
  GetPlotByCacheRequest,
  PlotStatus,
  SupervisorLease,
  SupervisorListResponse,
  SupervisorStatus,
  SupervisorWorkRequest,
} from '../../wire/messages.js';
import {
  attachSupervisor,
  detachSupervisor,
  heartbeatSupervisor,
  listSupervisors,
  tellSupervisorPlots,
} from '../operations/supervisor-operations.js';
import { askedStatuses } from '../plot-task-status.js';
import { supervisorWork } from '../shown/task-watch.js';
import { nowSeconds, type TalentContext } from '../talent-context.js';
import type { MissingPlots } from './missing-plots.js';

const WAITING = ['received', 'pending'];

/** What HTTP has no road for: polling as supervisors of old do, and the stream of a supervisor's work. */
export function supervisorHandlers(talent: TalentContext) {
  const { logger, leases } = talent;

  async function* work(
    request: SupervisorWorkRequest,
    _peer: Peer,
    signal: AbortSignal,
  ): AsyncGenerator<EncodedMessage> {
    const workerId = rules.optional('worker_id', request.worker_id, rules.isId) ?? talent.workerId;
    const sessionId = rules.given('session_id', request.session_id, rules.isId);
    const replaced = await leases.follow(workerId, sessionId);
    yield* supervisorWork(talent, workerId, AbortSignal.any([signal, replaced]));
    replaced.throwIfAborted();
  }

  return { ...pollingHandlers(talent), supervisor_work: serverStream(logger, work) };
}

export function supervisorOperations(
  talent: TalentContext,
  missing: MissingPlots,
  defaultLeaseSeconds: number,
): ServedOperation[] {
  const { leases } = talent;
  const who = (peer: Pick<Peer, 'who'>) => `supervisor ${peer.who}`;
  const here = talent.workerId;

  async function list(): Promise<SupervisorListResponse> {
    await talent.readYourWrites('supervisors');
    return { supervisors: talent.supervisors().map(supervisorMessageOf) };
  }

  return [
    answered(attachSupervisor, async (request, asking) => {
      const {
        worker_id: workerId = here,
        session_id: sessionId,
        lease_seconds: seconds,
        report_key_hash,
      } = request;
      const { host, pid, version } = request;
      const more: JsonObject = report_key_hash === undefined ? {} : { report_key_hash };
      const leaseSeconds = seconds ?? defaultLeaseSeconds;
      const lease = await leases.attach(
        { peerId: workerId, sessionId, leaseSeconds, host, pid, version, more },
        who(asking),
      );
      // Its first report may follow at once.
      talent.reporters.forget(workerId);
      talent.knownSupervisors.add(workerId);
      return leaseMessageOf(lease);
    }),
    answered(heartbeatSupervisor, async ({ worker_id = here, session_id, figures }, asking) => {
      const lease = await leases.heartbeat(worker_id, session_id, who(asking));
      talent.machines.note(worker_id, lease.leaseSeconds, figures);
      return leaseMessageOf(lease);
    }),
    answered(detachSupervisor, async ({ worker_id = here, session_id, reason }, asking) => {
      await leases.detach(worker_id, session_id, reason, who(asking));
      talent.machines.forget(worker_id);
      return {};
    }),
    answered(tellSupervisorPlots, async ({ worker_id = here, session_id, plots }, asking) => {
      // Whose word it is: refused for any other session, and a sign of life besides.
      await leases.heartbeat(worker_id, session_id, who(asking));
      await talent.readYourWrites('plot_tasks');
      return { missing: await missing.compare(worker_id, plots, who(asking), nowSeconds(talent.clock)) };
    }),
    answered(listSupervisors, list),
  ];
}

/** How supervisors of old look for work. */
function pollingHandlers(talent: TalentContext) {
  const { logger } = talent;

  async function getPlotTasks(request: PlotStatus, _peer: Peer, { over }: UnderWay): Promise<EncodedMessage> {
    const statuses = askedStatuses(request.status, WAITING);
    return await talent.table.forOldPeers({ statuses }, over);
  }

  async function getPlotByCache(
    request: GetPlotByCacheRequest,
    _peer: Peer,
    { over }: UnderWay,
  ): Promise<EncodedMessage> {
    // One that no task can have has no tasks.
    const cache1 = rules.given('cache1', request.cache1, () => undefined);
    const statuses = askedStatuses(request.status, []);
    return await talent.table.forOldPeers({ cache1, statuses }, over);
  }

  return {
    get_plot_tasks: unary(logger, getPlotTasks),
    get_plot_by_cache: unary(logger, getPlotByCache),
  };
}

function leaseMessageOf(lease: Lease): SupervisorLease {
  return {
    worker_id: lease.peerId,
    session_id: lease.sessionId,
    status: 'attached',
    lease_seconds: lease.leaseSeconds,
    expires_at: lease.expiresAt / 1000,
  };
}

function supervisorMessageOf(row: SqlRow): SupervisorStatus {
  const { program_version: version, reason, revision: _, status_revision: __, ...same } = row;
  const all = { ...same, version: version ?? null, remarks: reason ?? null };
  const given = Object.entries(all).filter(([, value]) => value !== null);
  return Object.fromEntries(given);
}
