/**
 * talent, put together: the plot task service of an owl fleet on the runtime.
 *
 * Guarantees: a data directory has one talent; when `startTalent` resolves, the service answers; `stop` takes no new calls,
 * lets those under way end, writes the checkpoints and gives everything back, last in, first out. While the store is away,
 * health says NOT_SERVING; a talent that starts meanwhile says so too, and goes on by itself when it comes.
 */

import { loadSync } from '@grpc/proto-loader';
import type { Logger } from 'pino';
import { PlotTaskQueries } from '../../projections/plot-task-queries.js';
import { plotTasks } from '../../projections/plot-tasks.js';
import { selectStandingRevision, selectSupervisors, supervisors } from '../../projections/supervisors.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { openDataDirectory } from '../runtime/data-directory.js';
import { healthProtoPath, startGrpcServer } from '../runtime/grpc-server.js';
import { nodeHandlers } from '../runtime/node-service.js';
import { Releasers } from '../runtime/releasers.js';
import { Runtime, type RuntimeStatus } from '../runtime/runtime.js';
import { loadProto, serviceOf } from '../wire/proto.js';
import type { OwlConfig } from './config.js';
import { logReceiverHandlers } from './log-receiver-handlers.js';
import { lostSupervisors } from './lost-supervisors.js';
import { openConfiguredStore } from './open-store.js';
import { overlordHandlers } from './overlord-handlers.js';
import { plotTask } from './plot-task-commands.js';
import { Reporters } from './reporters.js';
import { statusMessageOf } from './status-message.js';
import { supervisorHandlers } from './supervisor-handlers.js';
import { SupervisorLeases, supervisor } from './supervisor-leases.js';
import type { TalentContext } from './talent-context.js';
import { TaskFeed } from './task-feed.js';
import { TimeLeft } from './time-left.js';

export interface StartTalentOptions {
  readonly config: OwlConfig;
  readonly logger: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
}

export interface Talent {
  /** HOST:PORT as bound. */
  readonly address: string;
  readonly workerId: string;
  status(): RuntimeStatus;
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
export async function startTalent({
  config,
  logger,
  clock = systemClock,
}: StartTalentOptions): Promise<Talent> {
  const releasers = new Releasers(logger);
  try {
    return await start(config, logger, clock, releasers);
  } catch (error) {
    await releasers.releaseAll();
    throw error;
  }
}

async function start(config: OwlConfig, logger: Logger, clock: Clock, releasers: Releasers): Promise<Talent> {
  const directory = openDataDirectory(config.data, clock);
  releasers.add('data directory', () => directory.release());
  const { store, databasePath, presence, deadlineMs } = await openConfiguredStore(config, directory, logger);
  releasers.add('event store', () => store.close());

  // Only a store of its own needs no deadline: the others are over the network, where more than one node may write.
  const shared = deadlineMs !== undefined;
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
    ...(deadlineMs === undefined ? {} : { queryWaitMs: deadlineMs }),
  });
  let resuming = Promise.resolve();
  // It may wait for the store, until the runtime is closed.
  releasers.add('resuming leases', () => resuming);
  releasers.add('runtime', () => runtime.close());
  const talent = createContext(runtime, config.worker_id ?? directory.workerId, shared, clock, logger);
  runtime.addReactor(
    lostSupervisors({
      tasks: talent.tasks,
      standingRevision: (workerId) => selectStandingRevision(runtime.db, workerId),
      giveUpSeconds: config.leases.give_up_seconds,
      caughtUp: (position) => runtime.readYourWrites(position),
    }),
  );
  await runtime.start();
  runtime.onApplied(plotTasks.name, (events) => talent.feed.publish(events));
  runtime.onApplied(supervisors.name, (events) => {
    talent.leases.observe(events);
    talent.reporters.observe(events);
  });
  releasers.add('leases', () => talent.leases.stop());
  resuming = resumeLeases(runtime, talent);

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
        handlers: nodeHandlers({ runtime, workerId: talent.workerId, logger }),
      },
    ],
    packages: [{ ...proto, ...nodeProto, ...loadSync(healthProtoPath) }],
    logger,
  });
  releasers.add('server', () => server.stop(DRAIN_MS));
  releasers.add('watch streams', () => talent.feed.close());
  let stopping = false;
  presence.follow((present) => server.setServing(present && !stopping));
  logger.info({ address: server.address, workerId: talent.workerId, data: directory.path }, 'talent serves');
  return {
    address: server.address,
    workerId: talent.workerId,
    status: () => runtime.status(),
    stop: async () => {
      stopping = true;
      server.setServing(false);
      await releasers.releaseAll();
    },
  };
}

function createContext(
  runtime: Runtime,
  workerId: string,
  shared: boolean,
  clock: Clock,
  logger: Logger,
): TalentContext {
  const { store, system, db } = runtime;
  const tasks = new PlotTaskQueries(db);
  const timeLeft = new TimeLeft(tasks, clock);
  return {
    workerId,
    system,
    store,
    tasks,
    messageOf: (row) => statusMessageOf(row, timeLeft.of(row)),
    supervisors: () => selectSupervisors(db),
    feed: new TaskFeed(),
    reporters: new Reporters(async (id) => (await system.read(supervisor, id)).snapshot),
    leases: new SupervisorLeases({ system, clock, logger, nodeId: workerId, shared }),
    clock,
    logger,
    readYourWrites: () => runtime.readYourWrites(),
  };
}

/** Watches over the leases that are held, once the read model is complete. */
async function resumeLeases(runtime: Runtime, talent: TalentContext): Promise<void> {
  try {
    await runtime.caughtUp();
  } catch {
    // Stopped before it was complete: the next start resumes them.
    return;
  }
  for (const row of talent.supervisors()) {
    const { worker_id: workerId, session_id: sessionId, lease_seconds: leaseSeconds, node_id: nodeId } = row;
    if (row['status'] !== 'attached' || typeof leaseSeconds !== 'number') continue;
    if (typeof workerId !== 'string' || typeof sessionId !== 'string') continue;
    const lease = { workerId, sessionId, leaseSeconds, nodeId: typeof nodeId === 'string' ? nodeId : null };
    talent.leases.resume(lease, Number(row['revision']));
  }
}
