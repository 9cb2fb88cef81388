/** `owl config check`: says what the configuration comes to, or everything that is wrong with it. */

import type { Command } from 'commander';
import type { ExaminedConfig } from '../../node/config/config.js';
import {
  byPlace,
  ConfigError,
  type ConfigProblem,
  describeProblem,
} from '../../node/config/config-problems.js';
import { type Finding, sentenceOf } from '../../node/findings.js';
import { toJson } from '../format.js';
import { configOf, type GlobalOptions } from '../globals.js';
import { addExamples, settingsHelp } from '../help.js';
import type { Cli, System } from '../system.js';
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
      'Checks file and environment, and what a start would find here: the data directory, files that are named, who may ' +
        'ask, and what its systems run. Shows the effective values with where each comes from, and starts and changes ' +
        'nothing. With problems: all of them at once, on stderr, and exit code 1.',
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
  const { out, err } = cli;
  const examined = cli.settings.examine({ file: options.config, env: cli.env, cwd: cli.cwd });
  const { problems, remarks } = await problemsAndRemarks(cli, examined);
  if (problems.length > 0) {
    if (options.json) await out.line(toJson({ ok: false, problems, remarks }));
    throw new ConfigError(problems);
  }
  const loaded = configOf(cli, options);
  const { file, origins, shown } = loaded;
  const explained = await explanationsOf(cli, examined);
  if (options.json) {
    const from = Object.fromEntries(origins);
    await out.line(toJson({ ok: true, file, config: shown, origins: from, explained, remarks }));
    return;
  }
  const settings = cli.settings.values(loaded).map(([key, value]) => ({
    key,
    value,
    from: origins.get(key) ?? '',
  }));
  await out.line(file === undefined ? 'ok, without a configuration file' : `${file} is ok`);
  await out.write(`\n${renderTable(COLUMNS, settings, out)}`);
  if (explained.length > 0) await out.write(`\n${explained.map((sentence) => `${sentence}\n`).join('')}`);
  for (const remark of remarks) await err.line(`note: ${describeProblem(remark)}`);
}

/** Rules of keys, and what a start would find on this machine, but for what would follow from a key that is wrong. */
async function problemsAndRemarks(cli: Cli, examined: ExaminedConfig) {
  const findings = await findingsOf(cli, examined);
  const told = (wanted: boolean): ConfigProblem[] =>
    findings
      .filter(({ isRemark = false }) => isRemark === wanted)
      .map((finding) => problemOf(finding, examined))
      .sort(byPlace);
  return { problems: [...examined.problems, ...told(false)].sort(byPlace), remarks: told(true) };
}

function problemOf(finding: Finding, { file, place }: ExaminedConfig): ConfigProblem {
  const { path } = finding;
  const where = path.length === 0 && file !== undefined ? file : place(path);
  return { place: where, key: path.join('.'), rule: sentenceOf(finding), value: undefined };
}

async function findingsOf(cli: Cli, examined: ExaminedConfig): Promise<readonly Finding[]> {
  // Loaded here: most commands need nothing of what a node opens.
  const { findingsOfNode } = await import('../../node/start-check.js');
  const { place, isWrong, of } = examined;
  const isSaid = (path: readonly string[]): boolean => place(path) !== 'default';
  const machine = { env: cli.env, isSaid, isWrong };
  const findings = [...(await findingsOfNode(examined, Date.now()))];
  for (const system of systemsIn(cli, examined)) {
    const config = of(system.config);
    const whyNot = system.whyNotServed?.(config, examined.node, isWrong) ?? [];
    findings.push(...whyNot.filter(({ path }) => !isWrong(path)));
    findings.push(...((await system.check?.(config, machine)) ?? []));
  }
  return findings;
}

/** Those that are named, also where the list of them is wrong. */
function systemsIn(cli: Cli, { node, said, isWrong }: ExaminedConfig): readonly System[] {
  const path = ['systems'];
  const named = isWrong(path) ? said(path) : node.systems;
  return cli.systems.filter(({ name }) => Array.isArray(named) && named.includes(name));
}

async function explanationsOf(cli: Cli, examined: ExaminedConfig): Promise<string[]> {
  const sentences: string[] = [];
  for (const system of systemsIn(cli, examined))
    sentences.push(...((await system.explain?.(examined.of(system.config))) ?? []));
  return sentences;
}
