/** What the handlers of talent work with. One of it in a process, made by `startTalent`. */

import type { Logger } from 'pino';
import type { supervisorMachine } from '../../../../machines/talent/supervisor.js';
import type { PlotTaskQueries } from '../../../../projections/talent/plot-task-queries.js';
import type { Clock } from '../../../base/clock.js';
import type { SqlRow } from '../../../base/sql.js';
import type { ChangeFeed } from '../../../node/serving/change-feed.js';
import type { PeerLeases } from '../../../peers/leases.js';
import type { ActorSystem } from '../../../runtime/actors/actor-system.js';
import type { EventStore } from '../../../runtime/event-store/event-store.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import type { MachineFigures } from './metrics/machine-figures.js';
import type { Reporters } from './reports/reporters.js';
import type { ShownTasks } from './shown/shown-tasks.js';
import type { TimeLeft } from './shown/time-left.js';
import type { WholeTable } from './shown/whole-table.js';
import type { KnownSupervisors } from './supervisors/known-supervisors.js';

/** What queries read. */
export type ReadModelName = 'plot_tasks' | 'supervisors';

export type SupervisorLeases = PeerLeases<typeof supervisorMachine>;

export interface TaskProblem {
  /** The first one that is not in the row. */
  readonly revision: number;
  readonly message: string;
}

export interface TalentContext {
  /** This node: whose tasks are meant when a peer names no worker. */
  readonly workerId: string;
  readonly system: ActorSystem;
  readonly store: EventStore;
  readonly tasks: PlotTaskQueries;
  /** Rows for those who are shown many. */
  readonly shown: ShownTasks;
  /** Answers about all tasks. */
  readonly table: WholeTable;
  /** A row of `plot_tasks` as peers see it. */
  readonly messageOf: (row: SqlRow) => PlotTaskStatus;
  /** What keeps the row of a task from showing all that was stored of it, and from which revision on. */
  readonly problemOf: (taskId: string) => TaskProblem | undefined;
  readonly timeLeft: TimeLeft;
  readonly supervisors: () => readonly SqlRow[];
  readonly knownSupervisors: KnownSupervisors;
  /** By task id. */
  readonly feed: ChangeFeed<string>;
  readonly leases: SupervisorLeases;
  readonly reporters: Reporters;
  readonly machines: MachineFigures;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Resolves when the named read model holds everything this node has acknowledged: a query of it waits for that. */
  readonly readYourWrites: (readModel: ReadModelName) => Promise<void>;
}

/** Now, in Unix seconds as the contract has them. */
export function nowSeconds(clock: Clock): number {
  return clock.now() / 1000;
}
