/**
 * A node: the systems that were given to it, on one data directory, one store, one runtime and one server.
 *
 * Guarantees: a data directory has one node; when `startNode` resolves, every system answers; `stop` takes no new calls, lets
 * those under way end, writes the checkpoints and gives everything back, last in, first out. Systems that can't live together
 * are refused before anything is opened. While the store is away, the embedded one refuses every write or a read model can't be
 * caught up, so that every write or every query is refused, health says NOT_SERVING for the node and each of its systems, and
 * `owl node status` why, and so while a system has a reason of its own; a node that starts meanwhile says so too, and goes on by itself when it comes. Once the data
 * directory can't be relied on any more health says so for good: the log says why, once, and `lost` tells whoever runs it.
 *
 * The phases of a start, each in a function below: what the systems declare is loaded and compared; directory, store and
 * runtime are opened; each system is opened once read models can be queried, and its reactors and
 * loops begin; the server begins.
 */

import { loadSync } from '@grpc/proto-loader';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '../base/clock.js';
import { messageOf, type OwlError } from '../base/errors.js';
import { Releasers } from '../base/releasers.js';
import { LifeCycle } from '../runtime/life-cycle/life-cycle.js';
import { openRuntime, type Runtime, type RuntimeStatus } from '../runtime/runtime.js';
import { loadProto, serviceOf } from '../wire/proto.js';
import type { Access } from './access/access.js';
import { deniedCaller } from './access/denied-caller.js';
import { accessMode, openAccess } from './access/open-access.js';
import { forgetOwnAddress, writeOwnAddress } from './access/own-address.js';
import { assertNoClash, claimsOfService } from './clashes.js';
import type { LoadedConfig } from './config/config.js';
import { openDataDirectory } from './data-directory.js';
import { followHealth, followSystem } from './follow-health.js';
import { GroundWatch } from './ground-watch.js';
import { Health } from './health.js';
import { beginMetrics } from './metrics/begin-metrics.js';
import { NODE_ACCESS, nodeHandlers } from './node-service.js';
import { tellOpenPlacesOfNode } from './open-places.js';
import { openConfiguredStore, type StorePresence } from './open-store.js';
import { ended, PEERS_ACCESS, peersHandlers, stop } from './peers-service.js';
import { assertServable } from './servable.js';
import { type HttpOptions, serveHttp } from './serve-http.js';
import { endStreams, type OpenedSystem, servicesOf } from './services.js';
import { healthProtoPath, type RunningGrpcServer, startGrpcServer } from './serving/grpc-server.js';
import { openServerTls, type ServerTls } from './serving/server-tls.js';
import type { NodeContext, OpenedService, ServedSystem, ServiceSide } from './system.js';

export interface StartNodeOptions extends HttpOptions {
  /** What the node runs, whatever `systems` of the configuration says. */
  readonly systems: readonly ServedSystem[];
  /** Loaded from settings that hold the section of each of them. */
  readonly config: LoadedConfig;
  readonly logger: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** How long a query waits for its read models. Milliseconds; default: as long as a call to the store may take, or the runtime's. */
  readonly queryWaitMs?: number;
  /** Who listens to what happens, from the start on. Default: one that only the running node gives. */
  readonly lifeCycle?: LifeCycle;
}

export interface RunningNode {
  /** HOST:PORT as bound. */
  readonly address: string;
  /** The same of HTTP, if that is served. */
  readonly httpAddress: string | undefined;
  readonly workerId: string;
  status(): RuntimeStatus;
  /** Resolves with the reason when it can't go on and has to be stopped; it may never. */
  readonly lost: Promise<OwlError>;
  /** What happens in it, as it happens. */
  readonly lifeCycle: LifeCycle;
  stop(): Promise<void>;
}

interface LoadedSystem {
  readonly system: ServedSystem;
  readonly side: ServiceSide;
}

/** All that a node is made of before its systems are opened. */
interface Ground extends NodeContext {
  readonly runtime: Runtime;
  readonly presence: StorePresence;
  readonly health: Health;
  readonly lifeCycle: LifeCycle;
  readonly access: Access;
  readonly tls: ServerTls | undefined;
  readonly releasers: Releasers;
  readonly config: LoadedConfig;
  readonly lost: Promise<OwlError>;
}

type Beginning = Pick<Ground, 'config' | 'logger' | 'clock' | 'releasers' | 'lifeCycle'>;

const NODE_SERVICE = 'owl.Node';
const PEERS_SERVICE = 'owl.Peers';
/** Calls under way get so long to end when the node stops. */
const DRAIN_MS = 5_000;

/**
 * @throws OwlError kind `refused` when a system may not be served as configured, two systems can't live together (names both), the
 *   data directory has a node already (names its pid) or the address is taken
 * @throws StoreUnavailableError when the data can't be opened
 */
export async function startNode({
  systems,
  config,
  logger,
  clock = systemClock,
  queryWaitMs,
  lifeCycle = new LifeCycle(logger, clock),
  ...http
}: StartNodeOptions): Promise<RunningNode> {
  assertServable(systems, config);
  const loaded = await load(systems);
  const releasers = new Releasers(logger);
  lifeCycle.tell({ type: 'node starting' });
  try {
    const ground = await openGround(loaded, { config, logger, clock, releasers, lifeCycle }, queryWaitMs);
    const sides = loaded.map(({ side }) => side);
    const metrics = beginMetrics(sides, ground);
    const opened = await openSystems(loaded, ground);
    followHealth(loaded, ground);
    const server = await serve(opened, ground);
    const httpAddress = await serveHttp(opened, { ...ground, ...http, metrics });
    releasers.add('streams', () => endStreams(opened));
    return running(ground, { server, httpAddress }, systems);
  } catch (error) {
    await releasers.releaseAll();
    throw error;
  }
}

async function load(systems: readonly ServedSystem[]): Promise<readonly LoadedSystem[]> {
  const loaded = await Promise.all(systems.map(async (system) => ({ system, side: await system.service() })));
  assertNoClash(loaded.map(({ system, side }) => claimsOfService(system, side)));
  return loaded;
}

async function openGround(
  loaded: readonly LoadedSystem[],
  { config: all, logger, clock, releasers, lifeCycle }: Beginning,
  givenQueryWaitMs: number | undefined,
): Promise<Ground> {
  const { config } = all;
  const directory = openDataDirectory(config.data, clock);
  releasers.add('data directory', () => directory.release());
  tellOpenPlacesOfNode(all, logger);
  const mode = await accessMode(config, directory.isKnown, logger);
  const tls = openServerTls({ paths: config.tls, clock, logger, releasers });
  const opened = await openConfiguredStore(config, directory, logger, lifeCycle);
  const { store, databasePath, presence, deadlineMs } = opened;
  releasers.add('event store', () => store.close());
  directory.keepWorkerId();

  // Only a store of its own needs no deadline: the others are over the network, where more than one node may write.
  const shared = deadlineMs !== undefined;
  const queryWaitMs = givenQueryWaitMs ?? deadlineMs;
  const workerId = config.worker_id ?? directory.workerId;
  const { mailbox, live_actors: liveActors, recoveries } = config.limits;
  const runtime = openRuntime({
    store,
    databasePath,
    actorTypes: [...loaded.flatMap(({ side }) => side.actorTypes), deniedCaller],
    projections: loaded.flatMap(({ side }) => side.projections),
    clock,
    logger,
    limits: { mailbox, liveActors, recoveries },
    shared,
    nodeId: workerId,
    lifeCycle,
    ...(queryWaitMs === undefined ? {} : { queryWaitMs }),
  });
  const { file } = runtime.db;
  const watch = new GroundWatch({ directory, file, clock, logger, lost: (reason) => presence.end(reason) });
  releasers.add('watch over the data directory', () => watch.stop());
  const health = new Health(logger);
  const given = { clock, logger, releasers, lifeCycle, config: all };
  const access = openAccess({ data: config.data, mode, system: runtime.system, ...given });
  return { access, tls, ...given, workerId, shared, runtime, presence, health, lost: watch.lost };
}

/** Resolves when all of them are open and their reactors have begun. */
async function openSystems(
  loaded: readonly LoadedSystem[],
  ground: Ground,
): Promise<readonly OpenedSystem[]> {
  const { runtime, releasers, config } = ground;
  const systems: OpenedSystem[] = [];
  const each = async (act: (opened: OpenedService) => void | Promise<void> | undefined): Promise<void> => {
    for (const { opened } of systems.toReversed()) await act(opened);
  };
  let resuming = Promise.resolve();
  // It may wait for the store, until the runtime is closed.
  releasers.add('what waits for the read models', () => resuming);
  releasers.add('what goes on in systems', () => each(ended));
  releasers.add('runtime', () => runtime.close());
  releasers.add('systems', () => each(stop));
  await runtime.start(async () => {
    for (const { system, side } of loaded) {
      const opened = await side.open(ground, config.of(system.config));
      systems.push({ system, side, opened });
    }
    assertNamesApart(systems);
    return systems.flatMap(({ opened }) => opened.reactors ?? []);
  });
  runtime.startLoops(systems.flatMap(({ opened }) => opened.loops ?? []));
  resuming = whenCaughtUp(ground, systems);
  return systems;
}

/** Two reactors of one name would move each other's checkpoint, two loops hold each other's lease. */
function assertNamesApart(systems: readonly OpenedSystem[]): void {
  const named = systems.map(({ system, opened: { reactors = [], loops = [] } }) => ({
    owner: system.name,
    names: { reactor: reactors.map(({ name }) => name), loop: loops.map(({ name }) => name) },
  }));
  assertNoClash(named);
}

/** Never rejects: what one system fails at is told as its own failure, and keeps no other from going on. */
async function whenCaughtUp(ground: Ground, systems: readonly OpenedSystem[]): Promise<void> {
  const { runtime, health, logger } = ground;
  try {
    await runtime.caughtUp();
  } catch {
    // Stopped before they were complete: the next start does it.
    return;
  }
  for (const { system, opened } of systems) {
    try {
      for (const peers of opened.peers ?? []) peers.resume();
      await opened.caughtUp?.();
    } catch (error) {
      const { name } = system;
      logger.error({ err: error, system: name }, 'a system could not begin with what was stored before');
      health.note(
        name,
        `${name} could not begin with what was stored before (${messageOf(error)}); start again`,
      );
    }
    followSystem({ name: system.name, opened }, ground);
  }
}

async function serve(systems: readonly OpenedSystem[], ground: Ground): Promise<RunningGrpcServer> {
  const { runtime, workerId, health, access, tls, clock, logger, releasers, config, lifeCycle } = ground;
  const nodeProto = loadProto('runtime');
  const names = systems.map(({ system }) => system.name);
  const node = {
    name: NODE_SERVICE,
    definition: serviceOf(nodeProto, NODE_SERVICE),
    handlers: nodeHandlers({ runtime, workerId, systems: names, health, access, logger }),
    access: NODE_ACCESS,
  };
  const served = systems.flatMap(({ opened }) => opened.peers ?? []);
  const peers = {
    name: PEERS_SERVICE,
    definition: serviceOf(nodeProto, PEERS_SERVICE),
    handlers: peersHandlers(served, logger),
    access: PEERS_ACCESS,
  };
  const protos = systems.map(({ side }) => side.proto);
  const server = await startGrpcServer({
    listen: config.config.listen,
    services: [...systems.flatMap((system) => servicesOf(system, logger)), node, peers],
    alsoHealthOf: names,
    // One for all: a second reflection service would hide the first.
    packages: [Object.assign({}, ...protos, nodeProto, loadSync(healthProtoPath))],
    ...{ access, tls, clock, logger, lifeCycle },
  });
  // Once nobody is denied any more, and while the store is there.
  releasers.add('denied calls', () => access.ended());
  releasers.add('server', () => server.stop(DRAIN_MS));
  writeOwnAddress(config.config.data, server.address);
  releasers.add('own address', () => forgetOwnAddress(config.config.data));
  releasers.add('streams', () => endStreams(systems));
  releasers.add('loops', () => runtime.stopLoops());
  return server;
}

interface Served {
  readonly server: RunningGrpcServer;
  readonly httpAddress: string | undefined;
}

function running(
  ground: Ground,
  { server, httpAddress }: Served,
  systems: readonly ServedSystem[],
): RunningNode {
  const { workerId, runtime, health, logger, releasers, config, lifeCycle } = ground;
  const { address } = server;
  let stopping = false;
  health.follow((serves) => server.setServing(serves && !stopping));
  const names = systems.map(({ name }) => name);
  const what = names.length === 1 ? `${names[0]} serves` : `${names.join(', ')} serve`;
  lifeCycle.tell({ type: 'node serving' });
  logger.info({ address, httpAddress, workerId, data: config.config.data }, what);
  return {
    address,
    httpAddress,
    workerId,
    status: () => runtime.status(),
    lost: ground.lost,
    lifeCycle,
    stop: async () => {
      stopping = true;
      lifeCycle.tell({ type: 'node stopping' });
      server.setServing(false);
      await releasers.releaseAll();
      lifeCycle.tell({ type: 'node stopped' });
    },
  };
}
