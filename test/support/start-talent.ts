/** A node that runs talent alone, in this process: what tests of talent start, and the settings that it is started with. */

import { type ConfigSources, type LoadedConfig, Settings } from '../../src/node/config/config.js';
import { type RunningNode, type StartNodeOptions, startNode } from '../../src/node/node.js';
import { talent } from '../../src/systems/talent/system.js';

export type Talent = RunningNode;

const settings = new Settings([talent]);

export function loadTalentConfig(sources: ConfigSources): LoadedConfig {
  return settings.load(sources);
}

export function startTalent(options: Omit<StartNodeOptions, 'systems'>): Promise<Talent> {
  return startNode({ ...options, systems: [talent] });
}
