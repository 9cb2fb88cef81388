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

const WIDTH = 80;
const LONG_KEY = 28;

/** Every key of the configuration with its environment variable and default; a long one has two lines. */
export function settingsHelp(keys: readonly ConfigKey[]): string {
  const width = Math.max(0, ...keys.map(({ key }) => key.length).filter((length) => length <= LONG_KEY));
  return [
    'Settings come from the command line, else the environment, else the file, else',
    'these defaults. A key is OWL_ and its path in capitals in the environment:',
    '',
    ...keys.map(({ key, variable, fallback = 'none' }) => {
      const said = `${variable} (default: ${fallback})`;
      const line = `  ${key.padEnd(width)}  ${said}`;
      return line.length > WIDTH ? `  ${key}\n      ${said}` : line;
    }),
  ].join('\n');
}
