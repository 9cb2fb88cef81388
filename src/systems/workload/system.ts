/** workload: datasets become tasks, tasks become jobs, jobs run on pilots. All that the rest of owl knows of it. */

import type { System } from '../../cli/system.js';
import { addWorkloadCommands } from './cli/workload.js';
import { type WorkloadConfig, workloadSection } from './config.js';

export const workload: System<WorkloadConfig> = {
  name: 'workload',
  config: workloadSection,
  commands: addWorkloadCommands,
  counted: {
    ...{ wl_dataset: 'datasets', wl_file: 'files', wl_task: 'tasks', wl_job: 'jobs', wl_pilot: 'pilots' },
  },
  service: async () => (await import('./service/workload-service.js')).workloadService,
};
