/** `owl plot`: the commands about plot tasks. */

import type { Command } from 'commander';
import type { Cli } from '../../../cli/system.js';
import { addLogsCommand } from './plot-logs.js';
import { addOrderCommands } from './plot-orders.js';
import { addViewCommands } from './plot-views.js';
import { addWatchCommand } from './plot-watch.js';

export function addPlotCommands(program: Command, terminal: Cli): void {
  const plot = program
    .command('plot')
    .summary('order plots and look at them')
    .description(
      'Orders plots and looks at them. Tasks are named by their id or any beginning that no other id has.',
    );
  addOrderCommands(plot, terminal);
  addViewCommands(plot, terminal);
  addWatchCommand(plot, terminal);
  addLogsCommand(plot, terminal);
}
