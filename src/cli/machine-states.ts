/** What of each system runs on a machine, and why it does not. */

import type { LoadedConfig } from '../node/config/config.js';
import type { Cli, MachineSide, System } from './system.js';

export interface MachineState {
  readonly system: string;
  /** Undefined when the system starts no processes. */
  readonly side: MachineSide | undefined;
  /** Undefined when it runs, or there is none. For people, as the end of a sentence. */
  readonly whyNot: string | undefined;
}

/** The systems that the configuration names, in its order. */
export function systemsOf({ systems }: Cli, { config }: LoadedConfig): System[] {
  return config.systems.flatMap((name) => systems.filter((system) => system.name === name));
}

/** @param wanted `owl up` was not told to leave them out */
export function machineStates(
  systems: readonly System[],
  loaded: LoadedConfig,
  wanted: boolean,
): readonly MachineState[] {
  return systems.map(({ name, config, machine: side }) => {
    if (side === undefined) return { system: name, side, whyNot: undefined };
    const whyNot = wanted ? side.whyNot(loaded.of(config)) : '--no-machine was given';
    return { system: name, side, whyNot };
  });
}
