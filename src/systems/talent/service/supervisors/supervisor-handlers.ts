/**
 * What supervisors ask: their tasks, as old ones poll for them and as new ones get them pushed, and their lease.
 *
 * Guarantees: old supervisors see every task that waits; a new one is told at once what waits for it and what to stop, as
 * long as its session holds the lease.
 */

import * as rules from '../../../../base/field-rules.js';
import type { SqlRow } from '../../../../base/sql.js';
import { type Peer, serverStream, type UnderWay, unary } from '../../../../node/serving/calls.js';
import { EncodedMessage } from '../../../../node/serving/encoded.js';
import type { Lease } from '../../../../peers/held-leases.js';
import type {
  GetPlotByCacheRequest,
  PlotStatus,
  SupervisorAttachRequest,
  SupervisorDetachRequest,
  SupervisorDetachResponse,
  SupervisorHeartbeatRequest,
  SupervisorLease,
  SupervisorListResponse,
  SupervisorStatus,
  SupervisorWorkRequest,
} from '../../wire/messages.js';
import { readStatus } from '../plot-task-status.js';
import { TASKS_OF_ALL } from '../query-handlers.js';
import { supervisorWork } from '../shown/task-watch.js';
import type { TalentContext } from '../talent-context.js';

const WAITING = ['received', 'pending'];
const isLeaseSeconds = rules.isWhole(1, 3600);

export function supervisorHandlers(talent: TalentContext, defaultLeaseSeconds: number) {
  const { logger, leases } = talent;
  const who = (peer: Peer) => `supervisor ${peer.address}`;
  const workerOf = (workerId: string | undefined) =>
    rules.optional('worker_id', workerId, rules.isId) ?? talent.workerId;
  const sessionOf = (sessionId: string | undefined) => rules.given('session_id', sessionId, rules.isId);

  async function attach(request: SupervisorAttachRequest, peer: Peer): Promise<SupervisorLease> {
    const seconds = rules.optionalNumber('lease_seconds', request.lease_seconds, isLeaseSeconds);
    const workerId = workerOf(request.worker_id);
    const reportKeyHash = rules.optional('report_key_hash', request.report_key_hash, rules.isKeyHash);
    const lease = await leases.attach(
      {
        peerId: workerId,
        sessionId: sessionOf(request.session_id),
        leaseSeconds: seconds ?? defaultLeaseSeconds,
        host: rules.optional('host', request.host, rules.isLine(255)),
        pid: rules.optionalNumber('pid', request.pid, rules.isPid),
        version: rules.optional('version', request.version, rules.isLine(64)),
        more: reportKeyHash === undefined ? {} : { report_key_hash: reportKeyHash },
      },
      who(peer),
    );
    // Its first report may follow at once.
    talent.reporters.forget(workerId);
    return leaseMessageOf(lease);
  }

  async function heartbeat(request: SupervisorHeartbeatRequest, peer: Peer): Promise<SupervisorLease> {
    return leaseMessageOf(
      await leases.heartbeat(workerOf(request.worker_id), sessionOf(request.session_id), who(peer)),
    );
  }

  async function detach(request: SupervisorDetachRequest, peer: Peer): Promise<SupervisorDetachResponse> {
    const reason = rules.optional('reason', request.reason, rules.isRemarks);
    await leases.detach(workerOf(request.worker_id), sessionOf(request.session_id), reason, who(peer));
    return {};
  }

  async function* work(
    request: SupervisorWorkRequest,
    _peer: Peer,
    signal: AbortSignal,
  ): AsyncGenerator<EncodedMessage> {
    const workerId = workerOf(request.worker_id);
    const replaced = await leases.follow(workerId, sessionOf(request.session_id));
    yield* supervisorWork(talent, workerId, AbortSignal.any([signal, replaced]));
    replaced.throwIfAborted();
  }

  async function list(): Promise<SupervisorListResponse> {
    await talent.readYourWrites('supervisors');
    return { supervisors: talent.supervisors().map(supervisorMessageOf) };
  }

  return {
    ...pollingHandlers(talent),
    supervisor_attach: unary(logger, attach),
    supervisor_heartbeat: unary(logger, heartbeat),
    supervisor_detach: unary(logger, detach),
    supervisor_work: serverStream(logger, work),
    supervisor_list: unary(logger, list),
  };
}

/** How supervisors of old look for work. */
function pollingHandlers(talent: TalentContext) {
  const { logger } = talent;

  async function getPlotTasks(request: PlotStatus, _peer: Peer, { over }: UnderWay): Promise<EncodedMessage> {
    const status = readStatus('status', request.status);
    const statuses = status === undefined ? WAITING : [status];
    return new EncodedMessage(await talent.table.encoded(TASKS_OF_ALL, { statuses }, over));
  }

  async function getPlotByCache(
    request: GetPlotByCacheRequest,
    _peer: Peer,
    { over }: UnderWay,
  ): Promise<EncodedMessage> {
    const status = readStatus('status', request.status);
    const cache1 = rules.given('cache1', request.cache1, rules.isAbsolutePath);
    const statuses = status === undefined ? [] : [status];
    return new EncodedMessage(await talent.table.encoded(TASKS_OF_ALL, { cache1, statuses }, over));
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
