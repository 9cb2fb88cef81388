/** What the handlers of talent work with. One of it in a process, made by `startTalent`. */

import type { Logger } from 'pino';
import type { PlotTaskQueries } from '../../projections/plot-task-queries.js';
import type { ActorSystem } from '../runtime/actor-system.js';
import type { Clock } from '../runtime/clock.js';
import type { EventStore } from '../runtime/event-store/event-store.js';
import type { SqlRow } from '../runtime/sqlite.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import type { Reporters } from './reporters.js';
import type { SupervisorLeases } from './supervisor-leases.js';
import type { TaskFeed } from './task-feed.js';

export interface TalentContext {
  /** This node: whose tasks are meant when a peer names no worker. */
  readonly workerId: string;
  readonly system: ActorSystem;
  readonly store: EventStore;
  readonly tasks: PlotTaskQueries;
  /** A row of `plot_tasks` as peers see it. */
  readonly messageOf: (row: SqlRow) => PlotTaskStatus;
  readonly supervisors: () => readonly SqlRow[];
  readonly feed: TaskFeed;
  readonly leases: SupervisorLeases;
  readonly reporters: Reporters;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Resolves when the read models hold everything this node has acknowledged: a query waits for it. */
  readonly readYourWrites: () => Promise<void>;
}

/** Now, in Unix seconds as the contract has them. */
export function nowSeconds(clock: Clock): number {
  return clock.now() / 1000;
}
