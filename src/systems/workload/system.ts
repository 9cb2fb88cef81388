/** workload: datasets become tasks, tasks become jobs, jobs run on pilots. All that the rest of owl knows of it. */

import type { System } from '../../cli/system.js';
import { addWorkloadCommands } from './cli/workload.js';
import { type WorkloadConfig, workloadSection } from './config.js';
import { NODE } from './wire/called.js';

export const workload: System<WorkloadConfig> = {
  name: 'workload',
  config: workloadSection,
  commands: addWorkloadCommands,
  called: NODE,
  counted: {
    ...{ wl_dataset: 'datasets', wl_file: 'files', wl_task: 'tasks', wl_job: 'jobs', wl_pilot: 'pilots' },
  },
  examples: {
    owl: [['owl workload status', 'queues, pilots, tasks, and what waits and why']],
  },
  work: async (asked) => (await import('./cli/system-work.js')).workloadWork(asked),
  service: async () => (await import('./service/workload-service.js')).workloadService,
};
