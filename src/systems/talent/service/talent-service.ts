/** What talent is on a node: its actor types and read models, and how its handlers, leases and reactor are put together. */

import { setMaxListeners } from 'node:events';
import { PlotTaskQueries } from '../../../../projections/talent/plot-task-queries.js';
import { plotTasks } from '../../../../projections/talent/plot-tasks.js';
import {
  selectSupervisorStanding,
  selectSupervisors,
  supervisors,
} from '../../../../projections/talent/supervisors.js';
import { ListeningTime } from '../../../base/listening-time.js';
import type { SqlRow } from '../../../base/sql.js';
import { ChangeFeed } from '../../../node/serving/change-feed.js';
import type { NodeContext, OpenedService, ServiceSide } from '../../../node/system.js';
import { GO_ON } from '../../../peers/holder/lease-terms.js';
import { PeerLeases } from '../../../peers/leases.js';
import { idOf, type RecordedEvent, streamName } from '../../../runtime/event-store/event-store.js';
import { loadProto } from '../../../wire/proto.js';
import type { TalentConfig } from '../config.js';
import { methodAccess } from './method-access.js';
import { MachineFigures } from './metrics/machine-figures.js';
import { talentMetrics } from './metrics/talent-metrics.js';
import { SERVICE } from './operations/task-operations.js';
import { overlordHandlers, overlordOperations } from './overlord-handlers.js';
import { plotTask } from './plot-task-commands.js';
import { queryHandlers, queryOperations } from './query-handlers.js';
import { logReceiverHandlers } from './reports/report-handlers.js';
import { Reporters } from './reports/reporters.js';
import { encodeStatus } from './shown/empty-phases.js';
import { lastStepOf } from './shown/last-step.js';
import { ShownTasks } from './shown/shown-tasks.js';
import { shownRows, statusMessageOf } from './shown/status-message.js';
import { TimeLeft } from './shown/time-left.js';
import { WholeTable } from './shown/whole-table.js';
import { type SupervisorGiveUps, supervisorGiveUps } from './supervisors/give-ups.js';
import { KnownSupervisors } from './supervisors/known-supervisors.js';
import { BEGUN, lostSupervisors } from './supervisors/lost-supervisors.js';
import { MissingPlots } from './supervisors/missing-plots.js';
import { supervisorHandlers, supervisorOperations } from './supervisors/supervisor-handlers.js';
import { supervisor, supervisorPeers } from './supervisors/supervisor-type.js';
import type { ReadModelName, SupervisorLeases, TalentContext } from './talent-context.js';

const proto = loadProto('talent');

export const talentService: ServiceSide<TalentConfig> = {
  actorTypes: [plotTask, supervisor],
  projections: [plotTasks, supervisors],
  queried: [plotTasks.name],
  proto,
  servedAsBefore: true,
  open,
};

function open(node: NodeContext, { leases: times }: TalentConfig): OpenedService {
  const { runtime } = node;
  const { give_up_seconds: giveUpSeconds } = times;
  const tasks = new PlotTaskQueries(runtime.db);
  const { judging, giveUps, missing } = judgesOf(node, tasks, giveUpSeconds);
  const leases = new PeerLeases({
    kind: supervisorPeers,
    policy: GO_ON,
    ...judging,
    onHeard: (workerId, sessionId) => giveUps.heard(workerId, sessionId),
  });
  const talent = createContext(node, tasks, leases);
  const closing = new AbortController();
  // Every stream of reports waits for it.
  setMaxListeners(0, closing.signal);
  runtime.onApplied(plotTasks.name, (events) => {
    talent.timeLeft.observe(events);
    talent.shown.changed(events);
    talent.feed.publish(events);
    missing.observe(events);
  });
  // What can't be read says nothing of a lease.
  const isReadable = ({ stream }: RecordedEvent) =>
    runtime.projector(supervisors.name).firstParked(stream) === undefined;
  runtime.onApplied(supervisors.name, (events) => {
    const readable = events.filter(isReadable);
    for (const observer of [leases, giveUps, talent.reporters, talent.knownSupervisors])
      observer.observe(readable);
  });
  const lost = lostSupervisors({
    tasks,
    standingRevision: (workerId) => selectSupervisorStanding(runtime.db, workerId),
    giveUpSeconds,
    caughtUp: (position) => runtime.readYourWrites([plotTasks.name, supervisors.name], position),
  });
  return {
    reactors: [lost],
    caughtUp: () => {
      resumeLeases(talent, giveUps);
      missing.resume();
      void recallProgress(talent);
    },
    operations: [
      ...overlordOperations(talent),
      ...queryOperations(talent),
      ...supervisorOperations(talent, missing, times.default_seconds),
    ],
    handlers: {
      [SERVICE]: {
        ...overlordHandlers(talent),
        ...queryHandlers(talent),
        ...supervisorHandlers(talent),
        ...logReceiverHandlers(talent, closing.signal),
      },
    },
    access: { [SERVICE]: methodAccess(talent) },
    metrics: () => [talentMetrics(node, talent.machines)],
    endStreams: () => {
      talent.feed.close();
      closing.abort();
    },
    stop: () => {
      giveUps.stop();
      missing.stop();
      leases.stop();
    },
    ended: async () => {
      await Promise.all([giveUps.ended(), missing.ended()]);
    },
  };
}

/** Who decides that a supervisor is lost, or that it does not have what it should. */
function judgesOf(node: NodeContext, tasks: PlotTaskQueries, giveUpSeconds: number) {
  const { runtime, clock, logger, shared, workerId } = node;
  const judging = {
    ...{ clock, logger, shared, nodeId: workerId, system: runtime.system },
    lifeCycle: runtime.lifeCycle,
    listening: new ListeningTime(clock),
  };
  const begunRows = (id?: string) =>
    tasks.select({ statuses: BEGUN, ...(id === undefined ? {} : { workerId: id }) });
  const begun = (id: string) => begunRows(id).map((row) => String(row['task_id']));
  const giveUps = supervisorGiveUps({ ...judging, giveUpSeconds, begun });
  const missing = new MissingPlots({ ...judging, giveUpSeconds, begun: begunRows });
  return { judging, giveUps, missing };
}

function createContext(
  { runtime, workerId, clock, logger }: NodeContext,
  tasks: PlotTaskQueries,
  leases: SupervisorLeases,
): TalentContext {
  const { store, system, db } = runtime;
  const timeLeft = new TimeLeft(tasks, clock);
  const problemOf = (taskId: string) => {
    const parked = runtime.projector(plotTasks.name).firstParked(streamName(plotTask.category, taskId));
    return parked && { revision: parked.revision, message: parked.error };
  };
  const knownSupervisors = new KnownSupervisors(() => selectSupervisors(db));
  /** Of a task that nobody has taken notice of. */
  const absenceIn = ({ status, worker_id: worker }: SqlRow) =>
    status === 'received' ? knownSupervisors.absenceOf(String(worker)) : undefined;
  /** Without what nobody has said of it. */
  const aloneOf = shownRows((row) => {
    const problem = problemOf(String(row['task_id']));
    return problem === undefined
      ? statusMessageOf(row, { secondsLeft: timeLeft.of(row) })
      : statusMessageOf(row, { problem: problem.message });
  }, logger);
  const messageOf = (row: SqlRow) => {
    const remarks = absenceIn(row);
    return { ...(remarks === undefined ? {} : { remarks }), ...aloneOf(row) };
  };
  const shown = new ShownTasks({
    read: (taskId) => tasks.get(taskId),
    show: aloneOf,
    now: () => clock.monotonic(),
    isStill: (row) => row['status'] !== 'running' && problemOf(String(row['task_id'])) === undefined,
    beside: absenceIn,
    encode: encodeStatus,
  });
  const readYourWrites = (readModel: ReadModelName) => runtime.readYourWrites([readModel]);
  return {
    ...{ workerId, system, store, tasks, messageOf, problemOf, shown, leases, clock, logger, readYourWrites },
    timeLeft,
    table: new WholeTable({ tasks, shown, logger, upToDate: () => readYourWrites('plot_tasks') }),
    supervisors: () => selectSupervisors(db),
    knownSupervisors,
    feed: new ChangeFeed(
      ({ stream }) => idOf(stream),
      (taskId) => workerOf(shown.get(taskId)),
    ),
    machines: new MachineFigures(clock),
    reporters: new Reporters(async (id) => (await system.read(supervisor, id)).snapshot),
  };
}

/** How far running plots had come when. Nobody waits for it, and it never rejects. */
async function recallProgress({ timeLeft, store, logger }: TalentContext): Promise<void> {
  try {
    await timeLeft.recall((taskId) => lastStepOf(store, streamName(plotTask.category, taskId)));
  } catch (error) {
    logger.warn(
      { err: error },
      'how far running plots have come is not known; the time they take may be off',
    );
  }
}

function workerOf(row: SqlRow | undefined): string | undefined {
  return row && String(row['worker_id']);
}

/** Watches over the leases that are held, and over who is lost. Never throws. */
function resumeLeases(talent: TalentContext, giveUps: SupervisorGiveUps): void {
  const { logger } = talent;
  try {
    for (const row of talent.supervisors()) resumeLease(talent, row, giveUps);
  } catch (error) {
    logger.error(
      { err: error },
      'leases can not be resumed; their supervisors are heard of again by heartbeats',
    );
  }
}

/** One that can't be resumed keeps no other from it. */
function resumeLease({ leases, logger }: TalentContext, row: SqlRow, giveUps: SupervisorGiveUps): void {
  const { worker_id: workerId, session_id: sessionId, lease_seconds: leaseSeconds, node_id: nodeId } = row;
  if (typeof workerId !== 'string' || typeof sessionId !== 'string') return;
  try {
    if (row['status'] === 'lost') giveUps.watch(workerId, sessionId);
    if (row['status'] !== 'attached' || typeof leaseSeconds !== 'number') return;
    const lease = {
      peerId: workerId,
      sessionId,
      leaseSeconds,
      nodeId: typeof nodeId === 'string' ? nodeId : null,
    };
    leases.resume(lease, Number(row['revision']));
  } catch (error) {
    logger.error({ err: error, workerId }, 'a lease can not be resumed');
  }
}
