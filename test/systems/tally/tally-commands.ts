/** `owl tally add | list`. */

import type { Command } from 'commander';
import {
  addExamples,
  type Cli,
  clientOptions,
  type GlobalOptions,
  type Method,
  methodOf,
  ServiceClient,
  serviceOf,
  toJson,
  withClient,
} from 'owl-fleet/system';
import { loadTallyProto, TALLIES } from './tally-proto.js';

interface Tally {
  readonly name?: string;
  readonly count?: number;
}

class TallyClient extends ServiceClient {
  private readonly service = serviceOf(loadTallyProto(), TALLIES);

  add(name: string): Promise<Tally> {
    const method: Method<{ name: string }, Tally> = methodOf(this.service, 'add');
    return this.ask(method, { name });
  }

  list(): Promise<{ readonly tallies?: readonly Tally[] }> {
    return this.ask<object, { readonly tallies?: readonly Tally[] }>(methodOf(this.service, 'list'), {});
  }
}

export function addTallyCommands(program: Command, cli: Cli): void {
  const group = program.command('tally').description('Counts.');
  const add = group.command('add').description('Counts one more.').argument('<NAME>', 'of the tally');
  addExamples(add, [['owl tally add visitors', 'prints how many there are by now']]);
  add.action(async (name: string, _options: unknown, self: Command) => {
    await withTallies(cli, self, async (tallies) => {
      await cli.out.line(String((await tallies.add(name)).count));
    });
  });
  const list = group.command('list').description('Lists all tallies.');
  list.action(async (_options: unknown, self: Command) => {
    await withTallies(cli, self, async (tallies) => {
      await cli.out.line(toJson((await tallies.list()).tallies ?? []));
    });
  });
}

async function withTallies(
  cli: Cli,
  self: Command,
  work: (tallies: TallyClient) => Promise<void>,
): Promise<void> {
  await withClient(new TallyClient(clientOptions(cli, self.optsWithGlobals<GlobalOptions>())), work);
}
