/** `owl talent`: runs the service until it is told to stop. Every key of the configuration is also a flag of it. */

import { once } from 'node:events';
import { type Command, Option } from 'commander';
import { pino } from 'pino';
import { OwlError } from '../../../base/errors.js';
import { toJson } from '../../../cli/format.js';
import { configOf, type GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Terminal } from '../../../cli/terminal.js';
import { CONFIG_KEYS } from '../../../node/config/config.js';

export function addTalentCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('talent')
    .summary('run the plot task service')
    .description(
      'Runs the plot task service: takes orders of overlords, hands them to supervisors and keeps what happens. ' +
        'The first SIGINT or SIGTERM stops it in order, a second one at once. Its log goes to stderr.',
    );
  const options = CONFIG_KEYS.filter(({ path }) => path[0] !== 'supervisor').map((setting) => {
    const { flag, kind, meaning, variable, fallback } = setting;
    const told = fallback === undefined ? variable : `${variable}; default: ${fallback}`;
    const option = new Option(`${flag} <${kind}>`, `${meaning} (env: ${told})`);
    command.addOption(option);
    return { key: setting.key, name: option.attributeName() };
  });
  addExamples(command, [
    ['owl talent --data /var/lib/owl', 'on this machine only, at 127.0.0.1:50051'],
    ['owl talent --data /var/lib/owl --listen 0.0.0.0:50051', 'for the whole farm'],
    ['owl talent --config /etc/owl/owl.yaml', 'as the file says; see docs/configuration.md'],
  ]);
  command.action(async (given: Readonly<Record<string, string | undefined>>, self: Command) => {
    const flags = Object.fromEntries(options.map(({ key, name }) => [key, given[name]]));
    await runTalent(terminal, self.optsWithGlobals<GlobalOptions>(), flags);
  });
}

async function runTalent(
  terminal: Terminal,
  options: GlobalOptions,
  flags: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { config } = configOf(terminal, options, flags);
  const logger = pino({ level: config.log.level }, { write: (line) => void terminal.err.write(line) });
  // Loaded here, because no other command needs what a service needs.
  const { startTalent } = await import('../talent.js');
  const talent = await startTalent({ config, logger });
  try {
    const { address, workerId } = talent;
    const told = `owl talent serves at ${address} as worker ${workerId}, with its data in ${config.data}`;
    await terminal.out.line(
      options.json ? toJson({ address, worker_id: workerId, data: config.data, pid: process.pid }) : told,
    );
    await Promise.race([interruption(terminal), talent.lost.then(failBecauseLost)]);
    await terminal.err.line('owl talent is stopping; a second signal ends it at once');
  } finally {
    await talent.stop();
  }
}

async function interruption({ interrupted }: Terminal): Promise<void> {
  if (!interrupted.aborted) await once(interrupted, 'abort');
}

/** The reason stands in the log by now. */
function failBecauseLost(cause: OwlError): never {
  throw new OwlError(
    'unavailable',
    'owl talent has ended, since it can not rely on its data directory any more; its log says why',
    { cause },
  );
}
