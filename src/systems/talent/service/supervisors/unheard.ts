/** Whether anybody hears what is asked of a task: the supervisor that holds the lease of its worker. */

import type { PlotTaskSnapshot } from '../../../../../machines/talent/plot-task.js';
import { OwlError } from '../../../../base/errors.js';
import type { ActorSystem } from '../../../../runtime/actors/actor-system.js';
import { plotTask } from '../plot-task-commands.js';
import { supervisor } from './supervisor-type.js';

/**
 * Of a task that does not exist nothing is said.
 * @throws OwlError kind `refused` while a supervisor is attached that would hear of it
 */
export async function assertUnheard(system: ActorSystem, taskId: string): Promise<void> {
  const { snapshot } = await system.read(plotTask, taskId);
  const workerId = snapshot.context.order?.worker_id;
  if (workerId === undefined || !(await isAttached(system, workerId))) return;
  throw new OwlError(
    'refused',
    `supervisor ${workerId} is attached and answers for task ${taskId}; stop it without force (\`owl plot stop ${taskId}\`)`,
  );
}

/** Behind the answer to a stop: what helps when nobody will hear it. Empty when somebody does. */
export async function settlingAdvice(system: ActorSystem, { context }: PlotTaskSnapshot): Promise<string> {
  const { order } = context;
  if (order === null || (await isAttached(system, order.worker_id))) return '';
  const { task_id: taskId, worker_id: workerId } = order;
  return `; no supervisor of worker ${workerId} holds a lease, so nobody may hear it: \`owl plot stop ${taskId} --force\` or \`owl plot fail ${taskId} --reason WHY\` settles the task`;
}

async function isAttached(system: ActorSystem, workerId: string): Promise<boolean> {
  return (await system.read(supervisor, workerId)).snapshot.value === 'attached';
}
