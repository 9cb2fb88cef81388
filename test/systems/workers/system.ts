/** Workers and shards as a system of owl: the example of a system with peers. */

import type { System } from '../../../src/cli/system.js';
import { type WorkersConfig, workersSection } from './config.js';

export const workersSystem: System<WorkersConfig> = {
  name: 'workers',
  config: workersSection,
  commands: (program) => void program.command('workers').description('Has no commands.'),
  service: async () => (await import('./workers-service.js')).workersService,
};
