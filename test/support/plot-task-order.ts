/** An order as it is recorded when a task is received, for tests that don't care what it says. */

import type { PlotTaskOrder } from '../../machines/talent/plot-task-events.js';

export const ORDER: PlotTaskOrder = {
  task_id: 'a',
  worker_id: 'w',
  ksize: 32,
  threads: 4,
  buffer: 4096,
  cache1: '/c1',
  cache2: '/c2',
  dest_type: 'local',
  dest_path: '/d',
  received_time: 1_700_000_000,
};
