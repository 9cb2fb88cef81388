/**
 * talent, put together: the plot task service of an owl fleet on the runtime.
 *
 * Guarantees: a data directory has one talent; when `startTalent` resolves, the service answers; `stop` takes no new calls,
 * lets those under way end, writes the checkpoints and gives everything back, last in, first out. While the store is away,
 * the embedded store refuses every write or the table of tasks can't be caught up, so that every write or every query is
 * refused, health says NOT_SERVING and `owl node status` why; a talent that starts meanwhile says so too, and goes on by
 * itself when it comes. Once the data directory can't be relied on any more health says so for good: the log says why, once,
 * and `lost` tells whoever runs it to stop it.
 */

import { loadSync } from '@grpc/proto-loader';
import type { Logger } from 'pino';
import {
  selectStandingRevision,
  selectSupervisors,
  supervisors,
} from '../../../projections/peers/supervisors.js';
import { PlotTaskQueries } from '../../../projections/talent/plot-task-queries.js';
import { plotTasks } from '../../../projections/talent/plot-tasks.js';
import { type Clock, systemClock } from '../../base/clock.js';
import type { OwlError } from '../../base/errors.js';
import { ListeningTime } from '../../base/listening-time.js';
import { Releasers } from '../../base/releasers.js';
import type { SqlRow } from '../../base/sqlite.js';
import type { OwlConfig } from '../../node/config/config.js';
import { openDataDirectory } from '../../node/data-directory.js';
import { GroundWatch } from '../../node/ground-watch.js';
import { Health, watchQueries } from '../../node/health.js';
import { nodeHandlers } from '../../node/node-service.js';
import { openConfiguredStore, type StorePresence } from '../../node/open-store.js';
import { TaskFeed } from '../../node/serving/change-feed.js';
import { healthProtoPath, startGrpcServer } from '../../node/serving/grpc-server.js';
import { SupervisorLeases } from '../../peers/leases.js';
import { supervisor } from '../../peers/supervisor-type.js';
import { type RecordedEvent, streamName } from '../../runtime/event-store/event-store.js';
import { Runtime, type RuntimeStatus } from '../../runtime/runtime.js';
import { loadProto, serviceOf } from '../../wire/proto.js';
import { GiveUps } from './service/give-ups.js';
import { BEGUN, lostSupervisors } from './service/lost-supervisors.js';
import { overlordHandlers } from './service/overlord-handlers.js';
import { plotTask } from './service/plot-task-commands.js';
import { logReceiverHandlers } from './service/report-handlers.js';
import { Reporters } from './service/reporters.js';
import { shownRows, statusMessageOf } from './service/status-message.js';
import { supervisorHandlers } from './service/supervisor-handlers.js';
import type { TalentContext } from './service/talent-context.js';
import { TimeLeft } from './service/time-left.js';

export interface StartTalentOptions {
  readonly config: OwlConfig;
  readonly logger: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** How long a query waits for its read models. Milliseconds; default: as long as a call to the store may take, or the runtime's. */
  readonly queryWaitMs?: number;
}

export interface Talent {
  /** HOST:PORT as bound. */
  readonly address: string;
  readonly workerId: string;
  status(): RuntimeStatus;
  /** Resolves with the reason when it can't go on and has to be stopped; it may never. */
  readonly lost: Promise<OwlError>;
  stop(): Promise<void>;
}

const SERVICE = 'talent.PlotManager';
const NODE_SERVICE = 'owl.Node';
/** Calls under way get so long to end when the service stops. */
const DRAIN_MS = 5_000;

/**
 * @throws OwlError kind `refused` when the data directory has a talent already (names its pid) or the address is taken
 * @throws StoreUnavailableError when the data can't be opened
 */
export async function startTalent(options: StartTalentOptions): Promise<Talent> {
  const releasers = new Releasers(options.logger);
  try {
    return await start(options, releasers);
  } catch (error) {
    await releasers.releaseAll();
    throw error;
  }
}

async function start(options: StartTalentOptions, releasers: Releasers): Promise<Talent> {
  const { config, logger, clock = systemClock } = options;
  const directory = openDataDirectory(config.data, clock);
  releasers.add('data directory', () => directory.release());
  const { store, databasePath, presence, deadlineMs } = await openConfiguredStore(config, directory, logger);
  releasers.add('event store', () => store.close());
  directory.keepWorkerId();

  // Only a store of its own needs no deadline: the others are over the network, where more than one node may write.
  const shared = deadlineMs !== undefined;
  const { queryWaitMs = deadlineMs } = options;
  const runtime = new Runtime({
    store,
    databasePath,
    actorTypes: [plotTask, supervisor],
    projections: [plotTasks, supervisors],
    clock,
    logger,
    limits: {
      mailbox: config.limits.mailbox,
      liveActors: config.limits.live_actors,
      recoveries: config.limits.recoveries,
    },
    shared,
    ...(queryWaitMs === undefined ? {} : { queryWaitMs }),
  });
  let resuming = Promise.resolve();
  // It may wait for the store, until the runtime is closed.
  let givingUp: () => Promise<void> = () => Promise.resolve();
  releasers.add('resuming leases', () => resuming);
  releasers.add('giving up', () => givingUp());
  releasers.add('runtime', () => runtime.close());
  const { file } = runtime.db;
  const ground = new GroundWatch({ directory, file, clock, logger, lost: (reason) => presence.end(reason) });
  releasers.add('watch over the data directory', () => ground.stop());
  const nodeId = config.worker_id ?? directory.workerId;
  const { give_up_seconds: giveUpSeconds } = config.leases;
  const judging = { clock, listening: new ListeningTime(clock), logger, nodeId, shared };
  const tasks = new PlotTaskQueries(runtime.db);
  const begun = (workerId: string) =>
    tasks.select({ workerId, statuses: BEGUN }).map((row) => String(row['task_id']));
  const giveUps = new GiveUps({ ...judging, system: runtime.system, giveUpSeconds, begun });
  givingUp = () => giveUps.ended();
  const leases = new SupervisorLeases({
    ...judging,
    system: runtime.system,
    onHeard: (workerId, sessionId) => giveUps.heard(workerId, sessionId),
  });
  const talent = createContext(runtime, tasks, leases, nodeId, clock, logger);
  runtime.addReactor(
    lostSupervisors({
      tasks: talent.tasks,
      standingRevision: (workerId) => selectStandingRevision(runtime.db, workerId),
      giveUpSeconds,
      caughtUp: (position) => runtime.readYourWrites([plotTasks.name, supervisors.name], position),
    }),
  );
  await runtime.start();
  runtime.onApplied(plotTasks.name, (events) => talent.feed.publish(events));
  // What can't be read says nothing of a lease.
  const isReadable = ({ stream }: RecordedEvent) =>
    runtime.projector(supervisors.name).firstParked(stream) === undefined;
  runtime.onApplied(supervisors.name, (events) => {
    const readable = events.filter(isReadable);
    leases.observe(readable);
    giveUps.observe(readable);
    talent.reporters.observe(readable);
  });
  releasers.add('leases', () => leases.stop());
  releasers.add('give-ups', () => giveUps.stop());
  resuming = resumeLeases(runtime, talent, giveUps);

  const health = followHealth(talent, presence, releasers);

  const proto = loadProto('talent');
  const nodeProto = loadProto('runtime');
  const server = await startGrpcServer({
    listen: config.listen,
    services: [
      {
        name: SERVICE,
        definition: serviceOf(proto, SERVICE),
        handlers: {
          ...overlordHandlers(talent),
          ...supervisorHandlers(talent, config.leases.default_seconds),
          ...logReceiverHandlers(talent),
        },
      },
      {
        name: NODE_SERVICE,
        definition: serviceOf(nodeProto, NODE_SERVICE),
        handlers: nodeHandlers({
          runtime,
          workerId: talent.workerId,
          notServing: () => health.reason,
          absence: () => presence.problem,
          logger,
        }),
      },
    ],
    packages: [{ ...proto, ...nodeProto, ...loadSync(healthProtoPath) }],
    logger,
  });
  releasers.add('server', () => server.stop(DRAIN_MS));
  releasers.add('watch streams', () => talent.feed.close());
  let stopping = false;
  health.follow((serves) => server.setServing(serves && !stopping));
  logger.info({ address: server.address, workerId: talent.workerId, data: directory.path }, 'talent serves');
  return {
    address: server.address,
    workerId: talent.workerId,
    status: () => runtime.status(),
    lost: ground.lost,
    stop: async () => {
      stopping = true;
      server.setServing(false);
      await releasers.releaseAll();
    },
  };
}

/** Every write is refused while the store is away, every query while its read model can't be caught up. */
function followHealth(talent: TalentContext, presence: StorePresence, releasers: Releasers): Health {
  const { clock, logger } = talent;
  const health = new Health(logger);
  presence.follow(() => health.note('store', presence.problem));
  const watching = new AbortController();
  releasers.add('health', () => watching.abort());
  // Nearly all queries, and the work of supervisors, rest on this one.
  const ask = () => talent.readYourWrites('plot_tasks');
  const tell = (reason: string | undefined) => health.note('queries', reason);
  void watchQueries({ ask, tell, clock, signal: watching.signal });
  return health;
}

function createContext(
  runtime: Runtime,
  tasks: PlotTaskQueries,
  leases: SupervisorLeases,
  workerId: string,
  clock: Clock,
  logger: Logger,
): TalentContext {
  const { store, system, db } = runtime;
  const timeLeft = new TimeLeft(tasks, clock);
  const problemOf = (taskId: string) => {
    const parked = runtime.projector(plotTasks.name).firstParked(streamName(plotTask.category, taskId));
    return parked && { revision: parked.revision, message: parked.error };
  };
  return {
    workerId,
    system,
    store,
    tasks,
    messageOf: shownRows((row) => {
      const problem = problemOf(String(row['task_id']));
      return problem === undefined
        ? statusMessageOf(row, timeLeft.of(row))
        : statusMessageOf(row, undefined, problem.message);
    }, logger),
    problemOf,
    supervisors: () => selectSupervisors(db),
    feed: new TaskFeed(),
    reporters: new Reporters(async (id) => (await system.read(supervisor, id)).snapshot),
    leases,
    clock,
    logger,
    readYourWrites: (readModel) => runtime.readYourWrites([readModel]),
  };
}

/** Watches over the leases that are held, and over who is lost, once the read model is complete. Never rejects. */
async function resumeLeases(runtime: Runtime, talent: TalentContext, giveUps: GiveUps): Promise<void> {
  const { logger } = talent;
  try {
    await runtime.caughtUp([supervisors.name]);
  } catch {
    // Stopped, or lost, before it was complete: the next start resumes them.
    return;
  }
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
function resumeLease({ leases, logger }: TalentContext, row: SqlRow, giveUps: GiveUps): void {
  const { worker_id: workerId, session_id: sessionId, lease_seconds: leaseSeconds, node_id: nodeId } = row;
  if (typeof workerId !== 'string' || typeof sessionId !== 'string') return;
  try {
    if (row['status'] === 'lost') giveUps.watch(workerId, sessionId);
    if (row['status'] !== 'attached' || typeof leaseSeconds !== 'number') return;
    const lease = { workerId, sessionId, leaseSeconds, nodeId: typeof nodeId === 'string' ? nodeId : null };
    leases.resume(lease, Number(row['revision']));
  } catch (error) {
    logger.error({ err: error, workerId }, 'a lease can not be resumed');
  }
}
