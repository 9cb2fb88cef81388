/** What --help says beside the options: examples for every command, and where settings come from. */

import type { Command } from 'commander';
import type { ConfigKey } from '../node/config/config-section.js';
import type { Cli, Example, ExampleOf } from './system.js';

export function addExamples(command: Command, examples: readonly Example[]): Command {
  if (examples.length === 0) return command;
  const text = examples.map(([line, what]) => `  $ ${line}\n      ${what}`).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}

/** What the systems have to show of a command of owl's own. */
export function examplesOf({ systems }: Pick<Cli, 'systems'>, command: ExampleOf): readonly Example[] {
  return systems.flatMap(({ examples }) => examples?.[command] ?? []);
}

/** Every key of the configuration with its environment variable and default. */
export function settingsHelp(keys: readonly ConfigKey[]): string {
  const width = Math.max(...keys.map(({ key }) => key.length));
  return [
    'Settings come from the command line, else the environment, else the file, else',
    'these defaults. A key is OWL_ and its path in capitals in the environment:',
    '',
    ...keys.map(
      ({ key, variable, fallback = 'none' }) => `  ${key.padEnd(width)}  ${variable} (default: ${fallback})`,
    ),
  ].join('\n');
}
