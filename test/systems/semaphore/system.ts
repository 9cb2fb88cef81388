/** A counting semaphore as a system of owl: what it declares, and all that the rest of owl knows of it. */

import type { System } from '../../../src/cli/system.js';
import { addSemaphoreCommands } from './cli/semaphore.js';
import { type SemaphoreConfig, semaphoreSection } from './config.js';

export const semaphoreSystem: System<SemaphoreConfig> = {
  name: 'semaphore',
  config: semaphoreSection,
  commands: addSemaphoreCommands,
  service: async () => (await import('./service/semaphore-service.js')).semaphoreService,
};
