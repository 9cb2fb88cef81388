/** Keys of the configuration as options of a command. */

import { type Command, Option } from 'commander';
import type { ConfigKey } from '../node/config/config-section.js';

/** What was given on the command line, by key, as `configOf` takes it. */
export type SettingFlags = Readonly<Record<string, string | undefined>>;

/** Adds an option for each key. Answers how to read what was given: commander's options in, flags by key out. */
export function addSettings(
  command: Command,
  keys: readonly ConfigKey[],
): (given: Readonly<Record<string, string | undefined>>) => SettingFlags {
  const options = keys.map(({ key, flag, kind, meaning, variable, fallback }) => {
    const told = fallback === undefined ? variable : `${variable}; default: ${fallback}`;
    const option = new Option(`${flag} <${kind}>`, `${meaning} (env: ${told})`);
    command.addOption(option);
    return { key, name: option.attributeName() };
  });
  return (given) => Object.fromEntries(options.map(({ key, name }) => [key, given[name]]));
}
