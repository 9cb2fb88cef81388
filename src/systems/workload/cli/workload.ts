/** `owl workload`: the commands of workloads, all below one group. */

import type { Command } from 'commander';
import type { Cli } from '../../../cli/system.js';
import { SWITCH_NAMES } from '../switch-names.js';
import { addBrokerCommands } from './broker.js';
import { addDatasetCommands } from './dataset.js';
import { addDemoCommand } from './demo.js';
import { addJobCommands } from './job.js';
import { addPilotCommands } from './pilot.js';
import { addPilotRunCommand } from './pilot-run.js';
import { addSeriesCommands } from './series.js';
import { addStatusCommand } from './status.js';
import { addSwitchCommands } from './switch.js';
import { addTaskCommands } from './task.js';

export function addWorkloadCommands(program: Command, cli: Cli): void {
  const workload = program
    .command('workload')
    .summary('run programs over many files, on many machines')
    .description(
      'Turns datasets into tasks, tasks into jobs, and runs these on pilots. Datasets, tasks and jobs are named by their ' +
        'running number, their uid, or any beginning of that which no other has; datasets by their name too.',
    );
  addDemoCommand(workload, cli);
  addDatasetCommands(workload, cli);
  addTaskCommands(workload, cli);
  addJobCommands(workload, cli);
  addSeriesCommands(workload, cli);
  addPilotRunCommand(addPilotCommands(workload, cli), cli);
  for (const name of SWITCH_NAMES) addSwitchCommands(workload, cli, name);
  addBrokerCommands(workload, cli);
  addStatusCommand(workload, cli);
}
