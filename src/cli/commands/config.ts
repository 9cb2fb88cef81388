/** `owl config check`: says what the configuration comes to, or everything that is wrong with it. */

import type { Command } from 'commander';
import { ConfigError } from '../../node/config/config-problems.js';
import { toJson } from '../format.js';
import { configOf, type GlobalOptions } from '../globals.js';
import { addExamples, settingsHelp } from '../help.js';
import type { Cli } from '../system.js';
import { type Column, renderTable } from '../table.js';

export function addConfigCommands(program: Command, cli: Cli): void {
  const group = program
    .command('config')
    .summary('look at the configuration')
    .description('Looks at the configuration.');
  const check = group
    .command('check')
    .summary('check it and show the effective values')
    .description(
      'Checks file and environment and shows the effective values with where each comes from. ' +
        'With problems: all of them at once, on stderr, and exit code 1.',
    )
    .argument('[FILE]', 'the file to check instead of the one that would be used')
    .addHelpText('after', `\n${settingsHelp(cli.settings.keys)}`);
  addExamples(check, [
    ['owl config check', 'what a node started here would use'],
    ['owl config check /etc/owl/owl.yaml --json', 'the same of that file, for a program'],
  ]);
  check.action(async (file: string | undefined, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await checkConfig(cli, file === undefined ? options : { ...options, config: file });
  });
}

interface Setting {
  readonly key: string;
  readonly value: unknown;
  readonly from: string;
}

const COLUMNS: readonly Column<Setting>[] = [
  { title: 'KEY', rank: 0, value: ({ key }) => key },
  { title: 'VALUE', rank: 1, least: 12, overflow: 'wrap', value: ({ value }) => String(value ?? '') },
  { title: 'FROM', rank: 0, least: 10, overflow: 'cut-start', value: ({ from }) => from },
];

async function checkConfig(cli: Cli, options: GlobalOptions): Promise<void> {
  const { out } = cli;
  try {
    const loaded = configOf(cli, options);
    const { file, origins, shown } = loaded;
    if (options.json) {
      await out.line(toJson({ ok: true, file, config: shown, origins: Object.fromEntries(origins) }));
      return;
    }
    const settings = cli.settings.values(loaded).map(([key, value]) => ({
      key,
      value,
      from: origins.get(key) ?? '',
    }));
    await out.line(file === undefined ? 'ok, without a configuration file' : `${file} is ok`);
    await out.write(`\n${renderTable(COLUMNS, settings, out)}`);
  } catch (error) {
    if (options.json && error instanceof ConfigError)
      await out.line(toJson({ ok: false, problems: error.problems }));
    throw error;
  }
}
