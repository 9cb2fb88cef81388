/** What --help says beside the options: examples for every command, and where settings come from. */

import type { Command } from 'commander';
import { CONFIG_KEYS } from '../node/config/config.js';

/** @param examples a command line and what it does */
export function addExamples(
  command: Command,
  examples: readonly (readonly [line: string, what: string])[],
): Command {
  const text = examples.map(([line, what]) => `  $ ${line}\n      ${what}`).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}

const KEY_WIDTH = Math.max(...CONFIG_KEYS.map(({ key }) => key.length));

/** Every key of the configuration with its environment variable and default. */
export const SETTINGS_HELP = [
  'Settings come from the command line, else the environment, else the file, else',
  'these defaults. A key is OWL_ and its path in capitals in the environment:',
  '',
  ...CONFIG_KEYS.map(
    ({ key, variable, fallback = 'none' }) =>
      `  ${key.padEnd(KEY_WIDTH)}  ${variable} (default: ${fallback})`,
  ),
].join('\n');
