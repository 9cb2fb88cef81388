/** `owl talent`: runs the service until it is told to stop. Every key that concerns it is also a flag of it. */

import type { Command } from 'commander';
import { configOf, type GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { runNode } from '../../../cli/run-node.js';
import { addSettings } from '../../../cli/setting-options.js';
import type { Cli } from '../../../cli/system.js';
import { keysOf } from '../../../node/config/config-section.js';
import type { ServedSystem } from '../../../node/system.js';
import { talentSection } from '../config.js';

/** It is the whole node whatever `systems` says, and makes no plots itself. */
const NOT_ITS_OWN = ['systems', 'supervisor'];

/** @param system what runs */
export function addTalentCommand(program: Command, cli: Cli, system: ServedSystem): void {
  const command = program
    .command('talent')
    .summary('run the plot task service')
    .description(
      'Runs the plot task service: takes orders of overlords, hands them to supervisors and keeps what happens. ' +
        'The first SIGINT or SIGTERM stops it in order, a second one at once. Its log goes to stderr.',
    );
  const own = [...cli.settings.nodeKeys, ...keysOf(talentSection.shape)].filter(
    ({ path: [first = ''] }) => !NOT_ITS_OWN.includes(first),
  );
  const flagsOf = addSettings(command, own);
  addExamples(command, [
    ['owl talent --data /var/lib/owl', 'on this machine only, at 127.0.0.1:50051'],
    ['owl talent --data /var/lib/owl --listen 0.0.0.0:50051 --access required', 'for the whole farm'],
    ['owl talent --config /etc/owl/owl.yaml', 'as the file says; see docs/configuration.md'],
  ]);
  command.action(async (given: Readonly<Record<string, string | undefined>>, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    const config = configOf(cli, options, flagsOf(given));
    await runNode(cli, options, { name: 'owl talent', systems: [system], config });
  });
}
