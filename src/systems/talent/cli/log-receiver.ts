/** `owl log-receiver`: follows the logs of this machine's plots until it is told to stop. Supervisors start one themselves. */

import type { Command } from 'commander';
import { packageVersion } from '../../../base/package-version.js';
import { toJson } from '../../../cli/format.js';
import { configOf, credentialsAt, type GlobalOptions, nodeAddress } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { loggerOf, untilInterrupted } from '../../../cli/service.js';
import type { Cli } from '../../../cli/system.js';

interface LogReceiverOptions extends GlobalOptions {
  readonly data?: string;
}

export function addLogReceiverCommand(program: Command, terminal: Cli): void {
  const command = program
    .command('log-receiver')
    .summary('follow the logs of plotters and report them')
    .description(
      'Follows the logs of all plots that run on this machine and reports them to the talent. A supervisor starts one by ' +
        'itself where there is none, so this is for whoever wants to run it without. One that is there already is taken ' +
        'over by the supervisor and ends with it, or is replaced when it is of another version or reports elsewhere. It ' +
        'may be killed at any time: the next one goes on where the talent was told last. Its log goes to stderr.',
    )
    .option(
      '--data <DIR>',
      'the data directory it shares with the supervisor (env: OWL_DATA; default: ./data)',
    );
  addExamples(command, [
    ['owl log-receiver --data /var/lib/owl', 'reports to the talent of this machine'],
    ['owl log-receiver --data /var/lib/owl --server farm:50051', 'reports to another one'],
  ]);
  command.action(async (_options: unknown, self: Command) => {
    await runLogReceiver(terminal, self.optsWithGlobals<LogReceiverOptions>());
  });
}

async function runLogReceiver(terminal: Cli, options: LogReceiverOptions): Promise<void> {
  const loaded = configOf(terminal, options, { data: options.data });
  const { config } = loaded;
  const server = nodeAddress(terminal, options);
  // Loaded here, because no other command needs what a service needs.
  const { startLogReceiver } = await import('../log-receiver/log-receiver.js');
  const { TalentDirectory } = await import('../machine/talent-directory.js');
  const { unwrittenEnds } = await import('../../../processes/keeper/keeper-link.js');
  const receiver = startLogReceiver({
    unwrittenEnds,
    machine: new TalentDirectory(config.data),
    server,
    credentials: credentialsAt(loaded, server),
    version: packageVersion(),
    logger: loggerOf(terminal, config),
  });
  try {
    const told = `owl log-receiver follows the plots in ${config.data} and reports to ${server}`;
    await terminal.out.line(options.json ? toJson({ data: config.data, server, pid: process.pid }) : told);
    await untilInterrupted(
      terminal,
      receiver.lost.then((error) => Promise.reject(error)),
    );
  } finally {
    await receiver.stop();
  }
}
