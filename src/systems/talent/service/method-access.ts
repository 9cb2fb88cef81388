/** Who may ask for talent's methods that are no operations: those of the contract of the field, and the streams of supervisors. */

import type { ServiceAccess } from '../../../node/access/roles.js';
import { workerInField } from '../../../node/access/roles.js';
import type { PlotTaskReport, PlotTaskStatus } from '../wire/messages.js';
import type { TalentContext } from './talent-context.js';

export function methodAccess({ shown }: Pick<TalentContext, 'shown'>): ServiceAccess {
  /** A report names its task; whose that is talent knows. */
  const workerOf = (taskId = ''): string | undefined => {
    const worker = shown.get(taskId)?.['worker_id'];
    return typeof worker === 'string' ? worker : undefined;
  };
  const shownToAll = {
    roles: ['reader', 'submitter', 'worker', 'reporter', 'operator'],
    isQuery: true,
  } as const;
  return {
    plot_task_create: { roles: ['submitter'] },
    plot_task_stop: { roles: ['submitter', 'operator'] },
    plot_task_status: shownToAll,
    plot_task_status_all: shownToAll,
    // Supervisors of old look for work by these.
    get_plot_tasks: shownToAll,
    get_plot_by_cache: shownToAll,
    plot_task_update: {
      roles: ['worker', 'reporter'],
      workerIn: ({ task_id }: PlotTaskStatus) => workerOf(task_id),
    },
    plot_task_report: {
      roles: ['worker', 'reporter'],
      workerIn: ({ status }: PlotTaskReport) => workerOf(status?.task_id),
    },
    supervisor_work: { roles: ['worker'], workerIn: workerInField('worker_id') },
  };
}
