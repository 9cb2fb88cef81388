/** The commands of workloads, all below one group. */

import type { Command } from 'commander';

export function addWorkloadCommands(program: Command): void {
  program
    .command('workload')
    .description('Turns datasets into tasks, tasks into jobs, and runs these on pilots.');
}
