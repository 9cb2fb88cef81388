/**
 * `owl up`: a whole node on one machine, talent and supervisor (which keeps the log receiver), each a process of its own,
 * so that none takes another with it. What runs goes on over all of this: plots are detached, and adopted again.
 */

import type { Command } from 'commander';
import { z } from 'zod';
import { formatAddress, localAddress, parseAddress } from '../../base/address.js';
import { Releasers } from '../../base/releasers.js';
import { ChildService } from '../../processes/services/child-service.js';
import { toJson } from '../format.js';
import { configOf, type GlobalOptions } from '../globals.js';
import { addExamples } from '../help.js';
import { loggerOf, untilInterrupted } from '../service.js';
import type { Terminal } from '../terminal.js';

interface UpOptions extends GlobalOptions {
  readonly data?: string;
  readonly listen?: string;
}

export function addUpCommand(program: Command, terminal: Terminal): void {
  const up = program
    .command('up')
    .summary('run a whole node: talent, supervisor and log receiver')
    .description(
      'Runs a talent and a supervisor with its log receiver on this machine, each as a process of its own that is ' +
        'started again when it is gone. The first SIGINT or SIGTERM ends them in order; plotters go on, and are adopted ' +
        'by the next start. Their logs go to stderr.',
    )
    .option('--data <DIR>', 'the data directory of all of them (env: OWL_DATA; default: ./data)')
    .option('--listen <HOST:PORT>', 'where talent answers (env: OWL_LISTEN; default: 127.0.0.1:50051)');
  addExamples(up, [
    ['owl up --data /var/lib/owl', 'a node for this machine alone'],
    ['owl up --config /etc/owl/owl.yaml', 'with plotters and limits as the file says'],
  ]);
  up.action(async (_options: unknown, self: Command) => {
    await runNode(terminal, self.optsWithGlobals<UpOptions>());
  });
}

const Serving = z.object({ address: z.string(), worker_id: z.string() });

async function runNode(terminal: Terminal, options: UpOptions): Promise<void> {
  const { data, listen } = options;
  const { config } = configOf(terminal, options, { data, listen });
  const logger = loggerOf(terminal, config);
  const settings = options.config === undefined ? [] : ['--config', options.config];
  const releasers = new Releasers(logger);
  const start = async (name: string, args: () => readonly string[]): Promise<string> => {
    const { env, cwd } = terminal;
    const service = new ChildService({ name, args: () => [...args(), ...settings], env, cwd, logger });
    releasers.add(name, () => service.stop());
    return await service.start();
  };
  try {
    // A port that was taken as a free one stays the same when talent is started again.
    let address = config.listen;
    const told = await start('talent', () => [
      'talent',
      '--json',
      '--data',
      config.data,
      '--listen',
      address,
    ]);
    const serving = Serving.parse(JSON.parse(told));
    address = serving.address;
    const server = formatAddress(localAddress(parseAddress(address) ?? { host: '127.0.0.1', port: 0 }));
    await start('supervisor', () => ['supervisor', 'run', '--data', config.data, '--server', server]);
    const node = `owl is up at ${address} as worker ${serving.worker_id}, with its data in ${config.data}`;
    await terminal.out.line(
      options.json ? toJson({ ...serving, data: config.data, pid: process.pid }) : node,
    );
    await untilInterrupted(terminal);
    await terminal.err.line('owl is stopping; a second signal ends it at once');
  } finally {
    await releasers.releaseAll();
  }
}
