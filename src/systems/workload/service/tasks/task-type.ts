/** Tasks as actors. */

import { TASK_EVENTS, taskMachine } from '../../../../../machines/workload/task.js';
import type { ActorType } from '../../../../runtime/actors/actor-type.js';

export const task: ActorType<typeof taskMachine> = {
  category: 'wl_task',
  version: 1,
  machine: taskMachine,
  events: TASK_EVENTS,
};
