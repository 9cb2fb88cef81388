/** `owl semaphore acquire | list`: the commands of semaphores. */

import type { Command } from 'commander';
import { toJson } from '../../../../src/cli/format.js';
import { clientOptions, type GlobalOptions, withClient } from '../../../../src/cli/globals.js';
import { addExamples } from '../../../../src/cli/help.js';
import type { Cli } from '../../../../src/cli/system.js';
import { SemaphoreClient } from '../wire/semaphore-client.js';

export function addSemaphoreCommands(program: Command, cli: Cli): void {
  const group = program.command('semaphore').description('Takes permits of semaphores and lists them.');
  const acquire = group
    .command('acquire')
    .description('Takes a permit, or a place in the queue.')
    .argument('<NAME>', 'of the semaphore')
    .argument('<HOLDER>', 'who takes it');
  addExamples(acquire, [['owl semaphore acquire gpu job-7', 'prints whether it is held or waits']]);
  acquire.action(async (name: string, holder: string, _options: unknown, self: Command) => {
    await withSemaphores(cli, self.optsWithGlobals<GlobalOptions>(), async (semaphores) => {
      await cli.out.line((await semaphores.acquire({ name, holder })).state ?? '');
    });
  });

  const list = group
    .command('list')
    .description('Lists who holds a permit or waits for one.')
    .argument('<NAME>', 'of the semaphore');
  addExamples(list, [['owl semaphore list gpu --json', 'the raw values, for a program']]);
  list.action(async (name: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withSemaphores(cli, options, async (semaphores) => {
      const { permits = [] } = await semaphores.permits({ name });
      if (options.json) await cli.out.line(toJson(permits));
      else for (const { holder, state } of permits) await cli.out.line(`${holder} ${state}`);
    });
  });
}

async function withSemaphores(
  cli: Cli,
  options: GlobalOptions,
  work: (client: SemaphoreClient) => Promise<void>,
): Promise<void> {
  await withClient(new SemaphoreClient(clientOptions(cli, options)), work);
}
