/** talent: the plot tasks of a Chia farm. What it declares of itself, and all that the rest of owl knows of it. */

import type { System } from '../../cli/system.js';
import { addDemoCommand } from './cli/demo.js';
import { addLogReceiverCommand } from './cli/log-receiver.js';
import { addPlotCommands } from './cli/plot.js';
import { addSupervisorCommands } from './cli/supervisor.js';
import { addTalentCommand } from './cli/talent.js';
import { type TalentConfig, talentSection } from './config.js';

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
  service: async () => (await import('./service/talent-service.js')).talentService,
  machine: {
    name: 'supervisor',
    // A plotter is configured by default.
    whyNot: () => undefined,
    args: ({ data, server }) => ['supervisor', 'run', '--data', data, '--server', server],
  },
};
