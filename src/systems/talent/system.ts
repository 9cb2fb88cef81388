/** talent: the plot tasks of a Chia farm. What it declares of itself, and all that the rest of owl knows of it. */

import type { System } from '../../cli/system.js';
import { addDemoCommand } from './cli/demo.js';
import { addLogReceiverCommand } from './cli/log-receiver.js';
import { addPlotCommands } from './cli/plot.js';
import { addSupervisorCommands } from './cli/supervisor.js';
import { addTalentCommand } from './cli/talent.js';
import { type TalentConfig, talentSection } from './config.js';
import { TALENT } from './wire/called.js';

export const talent: System<TalentConfig> = {
  name: 'talent',
  config: talentSection,
  commands(program, cli) {
    addDemoCommand(program, cli);
    addTalentCommand(program, cli, talent);
    addPlotCommands(program, cli);
    addSupervisorCommands(program, cli);
    addLogReceiverCommand(program, cli);
  },
  called: TALENT,
  counted: { plot_task: 'plots', supervisor: 'supervisors' },
  examples: {
    owl: [
      ['owl talent --data /var/lib/owl', 'run the service on this machine'],
      ['owl plot create --cache1 /ssd/tmp --dest-path /farm/1', 'order a plot'],
      ['owl plot watch', 'follow what happens'],
      ['owl plot create --help', 'all there is to say about one command'],
    ],
    'node run': [['owl node run --systems talent --data /var/lib/owl', 'the same as owl talent']],
    'node redrive': [
      ['owl node redrive plot_tasks', 'all that this reader has parked'],
      ['owl node redrive plot_tasks --stream plot_task-task_1', 'those of one task'],
    ],
    'node rebuild': [['owl node rebuild plot_tasks', 'makes the table of tasks what the events say']],
  },
  check: async (config, machine) => (await import('./cli/check.js')).findingsOfPlotters(config, machine),
  work: async (asked) => (await import('./cli/system-work.js')).talentWork(asked),
  explain: async (config) => (await import('./cli/check.js')).whatPlottersAreFor(config),
  service: async () => (await import('./service/talent-service.js')).talentService,
  machine: {
    name: 'supervisor',
    about:
      'the supervisor with its log receiver; plotters go on when it ends, and are adopted by the next start',
    // A plotter is configured by default.
    whyNot: () => undefined,
    args: ({ data, server }) => ['supervisor', 'run', '--data', data, '--server', server],
  },
};
