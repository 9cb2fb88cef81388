/** What the parts of the workload service work with. One of it on a node. */

import type { Logger } from 'pino';
import type { Clock } from '../../../base/clock.js';
import type { Gates } from '../../../base/gates.js';
import type { Database } from '../../../base/sql.js';
import type { NodeContext, NodeRuntime, OpenedService } from '../../../node/system.js';
import type { ActorSystem } from '../../../runtime/actors/actor-system.js';
import type { ServedWorkload } from '../config.js';
import type { FailureTerms } from './jobs/job-commands.js';

export interface WorkloadContext {
  /** For what is made of the node itself: feeds, peers, histories. */
  readonly node: NodeContext;
  readonly runtime: NodeRuntime;
  readonly system: ActorSystem;
  /** The rows of the read models. */
  readonly db: Database;
  readonly config: ServedWorkload;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between grants of a task's jobs and what ends them: the same ones for every part of this node. */
  readonly gates: Gates;
  /** Resolves when the read models hold everything this node has acknowledged: a query waits for that. */
  readonly readYourWrites: () => Promise<void>;
}

/** One part of the service: datasets, tasks, jobs, pilots. What it leaves out it does not have. */
export type Part = Partial<OpenedService>;

/** Now, in Unix seconds. */
export function nowSeconds({ clock }: Pick<WorkloadContext, 'clock'>): number {
  return clock.now() / 1000;
}

export function failureTerms(context: Pick<WorkloadContext, 'clock' | 'config'>): FailureTerms {
  return { now: nowSeconds(context), maxLosses: context.config.max_losses };
}
