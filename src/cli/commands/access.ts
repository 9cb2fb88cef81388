/** `owl access`: who is known to the node of this machine. Works on its data directory, whether the node runs or not. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { OwlError } from '../../base/errors.js';
import { isId } from '../../base/field-rules.js';
import {
  type AccessEntry,
  addAccess,
  LOCAL,
  localTokenFile,
  readAccess,
  revokeAccess,
} from '../../node/access/access-file.js';
import { ROLES } from '../../node/access/roles.js';
import { severalOf } from '../arguments.js';
import { toJson } from '../format.js';
import { configOf, type GlobalOptions } from '../globals.js';
import { addExamples } from '../help.js';
import type { Cli } from '../system.js';
import { type Column, renderTable } from '../table.js';

interface DataOptions extends GlobalOptions {
  readonly data?: string;
}

interface AddOptions extends DataOptions {
  readonly role: string[];
  readonly worker?: string;
  readonly certificate?: boolean;
}

const DATA = ['--data <DIR>', 'the data directory of the node (env: OWL_DATA; default: ./data)'] as const;

export function addAccessCommands(program: Command, cli: Cli): void {
  const group = program
    .command('access')
    .summary('say who may ask the node of this machine')
    .description(
      'Says who may ask the node of this machine, and for what. It works on the data directory of the node, as the user that ' +
        'the node runs as; a running node takes note at once. What each role may do is in docs/security.md.',
    );
  addAddCommand(group, cli);
  const list = group
    .command('list')
    .summary('show who is known')
    .description(`Shows who is known, without tokens. "${LOCAL}" is owl itself on this machine.`)
    .option(...DATA);
  addExamples(list, [['owl access list --json', 'for a program']]);
  list.action(async (_options: unknown, self: Command) => {
    await listAccess(cli, self.optsWithGlobals<DataOptions>());
  });

  const revoke = group
    .command('revoke')
    .summary('take somebody back')
    .description(
      'Takes somebody back. From then on what he shows does not count, also for calls under way. ' +
        `For "${LOCAL}" a new token is made, which owl on this machine uses at once.`,
    )
    .argument('<NAME>', 'as `owl access list` shows it', idOf)
    .option(...DATA);
  addExamples(revoke, [['owl access revoke shed-3', 'the machine may not ask any more']]);
  revoke.action(async (name: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<DataOptions>();
    await revokeAccess(dataOf(cli, options), name);
    await cli.out.line(options.json ? toJson({ name, revoked: true }) : `${name} is taken back`);
  });
}

function addAddCommand(group: Command, cli: Cli): void {
  const add = group
    .command('add')
    .summary('make a token for somebody')
    .description(
      'Makes a token and prints it, this once: the node keeps a hash of it. Who shows it has the roles; with --worker ' +
        'he speaks for that worker alone, which goes with the roles worker and reporter. With --certificate nothing is made: who shows a certificate of that common name, ' +
        'of an authority in tls.client_ca, has them.',
    )
    .argument('<NAME>', 'what the history and the log call him', idOf)
    .addOption(
      new Option('--role <ROLES>', `with commas between: ${ROLES.join(', ')}`)
        .argParser(severalOf(ROLES))
        .makeOptionMandatory(),
    )
    .option('--worker <ID>', 'the one worker that he speaks for, as worker or reporter', idOf)
    .option('--certificate', 'he shows a certificate instead of a token')
    .option(...DATA);
  addExamples(add, [
    ['owl access add auditor --role reader', 'may look at everything'],
    ['owl access add shed-3 --role worker,reporter --worker shed-3', 'for what runs work on a machine'],
  ]);
  add.action(async (name: string, _options: unknown, self: Command) => {
    await addOne(cli, self.optsWithGlobals<AddOptions>(), name);
  });
}

async function addOne(cli: Cli, options: AddOptions, name: string): Promise<void> {
  const { role, worker, certificate, json } = options;
  const roles = ROLES.filter((one) => role.includes(one));
  const data = dataOf(cli, options);
  const token = await addAccess(data, { name, roles, workerId: worker, certificate: certificate === true });
  if (json) await cli.out.line(toJson({ name, roles, worker_id: worker, token }));
  else if (token === undefined) await cli.out.line(`who shows a certificate of the name ${name} is known`);
  else {
    await cli.out.line(token);
    await cli.err.line(
      `This is shown once: keep it in a file that only ${name} can read, and name that in token_file there.`,
    );
  }
}

const COLUMNS: readonly Column<AccessEntry>[] = [
  { title: 'NAME', rank: 0, value: ({ name }) => name },
  { title: 'ROLES', rank: 0, least: 12, overflow: 'wrap', value: ({ roles }) => roles.join(', ') },
  { title: 'WORKER', rank: 1, value: ({ worker_id: workerId }) => workerId ?? '' },
  { title: 'SHOWS', rank: 2, value: shows },
  { title: 'ADDED', rank: 3, value: ({ added }) => added.slice(0, 19).replace('T', ' ') },
];

async function listAccess(cli: Cli, options: DataOptions): Promise<void> {
  const data = dataOf(cli, options);
  const content = readAccess(data);
  if (content === undefined) {
    throw new OwlError('refused', `no node of this version has run in ${data} yet, so nobody is known`);
  }
  const { entries, revoked } = content;
  if (!options.json) {
    await cli.out.write(renderTable(COLUMNS, entries, cli.out));
    return;
  }
  await cli.out.line(
    toJson({
      data,
      local_token_file: localTokenFile(data),
      known: entries.map(({ sha256: _, ...entry }) => ({
        ...entry,
        shows: shows({ ...entry, sha256: _ }),
      })),
      revoked: revoked.map(({ name, revoked: at }) => ({ name, revoked: at })),
    }),
  );
}

function shows({ sha256 }: Pick<AccessEntry, 'sha256'>): string {
  return sha256 === undefined ? 'certificate' : 'token';
}

function dataOf(cli: Cli, options: DataOptions): string {
  return configOf(cli, options, { data: options.data }).config.data;
}

function idOf(text: string): string {
  const problem = isId(text);
  if (problem === undefined) return text;
  throw new InvalidArgumentError(`It ${problem}.`);
}
