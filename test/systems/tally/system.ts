/** Tallies as a system of owl that lives in a package of its own: all that it has of owl is `owl-fleet/system`. */

import type { System } from 'owl-fleet/system';
import { type TallyConfig, tallySection } from './config.js';
import { addTallyCommands } from './tally-commands.js';

export const tallySystem: System<TallyConfig> = {
  name: 'tally',
  config: tallySection,
  commands: addTallyCommands,
  service: async () => (await import('./tally-service.js')).tallyService,
};
