/**
 * The reactor that carries the fate of a supervisor to its tasks: lost marks them, heard of again (be it to say good-bye)
 * takes the mark back. When a task fails whose supervisor stays lost is shown in the mark and decided in give-ups.ts.
 *
 * Guarantee: reacting to an event again changes no task twice, also when the supervisor has other tasks by then; an event
 * that a later one of its supervisor has overtaken is left to that one, so a node that is new to an old history marks no task
 * for what was over long ago.
 */

import type { PlotTaskSnapshot } from '../../../../../machines/talent/plot-task.js';
import type { PlotTaskQueries } from '../../../../../projections/talent/plot-task-queries.js';
import { Slices } from '../../../../base/slices.js';
import type { Position, RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { commandTo, type Reactor, type ReactorCommand } from '../../../../runtime/reactors/reactor.js';
import { plotTask } from '../plot-task-commands.js';
import { headsOf } from '../shown/whole-table.js';
import { markLost, markReturned } from '../supervisor-losses.js';

/** The states of tasks that a supervisor is at work on. */
export const BEGUN = ['started', 'running', 'stopping'];
const LIVING = ['received', 'pending', ...BEGUN];

export interface LostSupervisorsOptions {
  readonly tasks: PlotTaskQueries;
  /** Of the newest event in the read model that changed the standing of a supervisor. */
  readonly standingRevision: (workerId: string) => number | undefined;
  /** How long a supervisor may stay lost before its tasks fail: for the mark. */
  readonly giveUpSeconds: number;
  /** Waits until the read model holds everything up to there. */
  readonly caughtUp: (position: Position) => Promise<void>;
}

export function lostSupervisors({
  tasks,
  standingRevision,
  giveUpSeconds,
  caughtUp,
}: LostSupervisorsOptions): Reactor<readonly ReactorCommand[]> {
  return {
    name: 'lost_supervisors',
    categories: ['supervisor'],
    async react(event) {
      const decide = decisionFor(event, giveUpSeconds);
      const workerId = event.data['worker_id'];
      if (decide === undefined || typeof workerId !== 'string') return [];
      await caughtUp(event.position);
      if ((standingRevision(workerId) ?? event.revision) > event.revision) return [];
      // What has never been lost has no marks to take back.
      if (event.type === 'SupervisorAttached' && event.revision === 0) return [];
      return (await livingTasks(tasks, workerId)).map((taskId) =>
        commandTo(plotTask, taskId, { id: `lost_supervisors:${event.id}`, decide }),
      );
    },
  };
}

async function livingTasks(tasks: PlotTaskQueries, workerId: string): Promise<string[]> {
  const slices = new Slices();
  const living: string[] = [];
  for (const head of headsOf(tasks, { workerId, statuses: LIVING })) {
    living.push(String(head['task_id']));
    if (slices.isOver()) await slices.next();
  }
  return living;
}

function decisionFor({ type, data }: RecordedEvent, giveUpSeconds: number) {
  const { worker_id: workerId, lost_time: lostAt } = data;
  switch (type) {
    case 'SupervisorLost':
      if (typeof workerId !== 'string' || typeof lostAt !== 'number') return undefined;
      return (task: PlotTaskSnapshot) => markLost(task, workerId, lostAt, lostAt + giveUpSeconds);
    case 'SupervisorReturned':
    case 'SupervisorAttached':
    case 'SupervisorDetached':
      return markReturned;
    default:
      return undefined;
  }
}
