/**
 * What a system declares of its service: a node is a list of these (node.ts). `System` in src/cli/system.ts adds what a
 * command line needs of it, commands and the machine side.
 *
 * Guarantee: declaring loads nothing. What serves is loaded by `service()`, which only a node calls.
 */

import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import type { Database } from '../base/sql.js';
import type { ServedPeers } from '../peers/served-peers.js';
import type { ActorType } from '../runtime/actors/actor-type.js';
import type { Loop } from '../runtime/loops/loop.js';
import type { Reactor } from '../runtime/reactors/reactor.js';
import type { Projection } from '../runtime/read-models/projection.js';
import type { Runtime } from '../runtime/runtime.js';
import type { ServiceAccess } from './access/roles.js';
import type { ConfigSection } from './config/config-section.js';
import type { NodeConfig } from './config/node-section.js';
import type { Finding } from './findings.js';
import type { MetricGroup } from './metrics/metric.js';
import type { ServedOperation } from './operations/operation.js';

/** Methods, not properties that are functions: a list holds systems of different configurations, each given its own. */
export interface ServedSystem<Config = unknown> {
  /** Small letters. Also in `systems:`, and what health is asked for. */
  readonly name: string;
  readonly config: ConfigSection<Config>;
  /**
   * Why a node that is configured so may not serve it: each is told by a check of the configuration, and a start is refused before
   * anything is opened. Loads nothing. Default: nothing is in the way.
   * @param isWrong whether nobody can tell what was meant with a key: it counts as not given, and nothing follows from that
   */
  whyNotServed?(
    config: Config,
    node: NodeConfig,
    isWrong: (path: readonly string[]) => boolean,
  ): readonly Finding[];
  service(): Promise<ServiceSide<Config>>;
}

/** What a system is on a node. */
export interface ServiceSide<Config = unknown> {
  readonly actorTypes: readonly ActorType[];
  readonly projections: readonly Projection[];
  /** Names of the projections that nearly all its queries rest on: while one can't be caught up, health says so. */
  readonly queried?: readonly string[];
  /** Its proto file. Every service in it is the system's, and needs handlers. */
  readonly proto: PackageDefinition;
  /**
   * Its peers called it before there were credentials: where `access` does not say otherwise nobody on this machine is asked for
   * any. A newer system leaves it out.
   */
  readonly servedAsBefore?: true;
  /** The largest message that peers of a service may send, by its full name. Default 256 KiB; 16 MiB at the most. */
  readonly requestBytes?: Readonly<Record<string, number>>;
  /** Called when read models can be queried and before anything is reacted to or served. */
  open(node: NodeContext, config: Config): OpenedService | Promise<OpenedService>;
}

/** What a node gives to each of its systems. It goes on to work until `OpenedService.stop` has been called. */
export interface NodeContext {
  /** The id of this node as a worker. */
  readonly workerId: string;
  /** Other nodes append to the same store. */
  readonly shared: boolean;
  /** Actors, store and read models of this node, which all its systems share. */
  readonly runtime: NodeRuntime;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The runtime without its beginning and end, which are the node's. */
export type NodeRuntime = Pick<
  Runtime,
  | 'store'
  | 'system'
  | 'readYourWrites'
  | 'caughtUp'
  | 'onApplied'
  | 'projector'
  | 'status'
  | 'unreadableIn'
  | 'lifeCycle'
> & {
  /** The rows of the read models. */
  readonly db: Database;
};

/**
 * A system that is open. What follows happens in the order of these lines; each may be left out but the handlers.
 * `caughtUp` comes at some time after the reactors have begun, and not at all when the node is stopped before.
 */
export interface OpenedService {
  readonly reactors?: readonly Reactor[];
  /**
   * What reaches out of the store: effects, and handing out. Each begins once its read models are caught up. They end before
   * anything else of the system does, so that another node can go on at once.
   */
  readonly loops?: readonly Loop[];
  /**
   * Read models hold all that was stored before the node began, be it after an outage of the store. What it throws is told in
   * the log and by health, as this system's.
   */
  caughtUp?(): void | Promise<void>;
  /**
   * Why it can't do its work now, for people; undefined while it can. Asked each second from then on: while there is a reason health
   * and `owl status` say it, and the node goes on to serve.
   */
  problem?(): string | undefined;
  /** Peers that attach, beat and leave by owl.Peers, one for each category. The node resumes their leases and ends them. */
  readonly peers?: readonly ServedPeers[];
  /** What it can be asked for, over gRPC and HTTP. Methods of its services that are none of these have `handlers`. */
  readonly operations?: readonly ServedOperation[];
  /** By the full name of the service. */
  readonly handlers: Readonly<Record<string, UntypedServiceImplementation>>;
  /** Who may ask for what has `handlers`; by the full name of the service. Operations say it themselves. */
  readonly access?: Readonly<Record<string, ServiceAccess>>;
  /**
   * Figures of its own for `/metrics`, with names that begin with its own. Asked once, and only where somebody can read them: what
   * is counted is counted from then on.
   */
  metrics?(): readonly MetricGroup[];
  /** The node takes no new calls: streams that have no end of their own end now. */
  endStreams?(): void;
  /** All calls have ended; actors still take commands. */
  stop?(): void | Promise<void>;
  /** Actors and readers have ended. Waits for what they let go. */
  ended?(): void | Promise<void>;
}
