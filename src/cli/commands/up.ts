/**
 * `owl up`: a whole node on one machine, the services of its systems and the machine side of each, every one a process of its
 * own, so that none takes another with it. What becomes of the work on the machine when they end, each system says.
 */

import type { Command } from 'commander';
import { z } from 'zod';
import { formatAddress, localAddress, parseAddress } from '../../base/address.js';
import { Releasers } from '../../base/releasers.js';
import type { NodeConfig } from '../../node/config/node-section.js';
import { hasWorkedIn } from '../../node/data-directory.js';
import { startOwlChild } from '../../processes/services/owl-child.js';
import { toJson } from '../format.js';
import { configOf, type GlobalOptions } from '../globals.js';
import { addExamples } from '../help.js';
import { type MachineState, machineStates, systemsOf } from '../machine-states.js';
import { servedAt } from '../run-node.js';
import { loggerOf, untilInterrupted } from '../service.js';
import type { Cli } from '../system.js';

interface UpOptions extends GlobalOptions {
  readonly data?: string;
  readonly listen?: string;
  readonly httpListen?: string;
  readonly systems?: string;
  readonly machine: boolean;
}

export function addUpCommand(program: Command, cli: Cli): void {
  const up = program
    .command('up')
    .summary('run a whole node: services, and what they run on this machine')
    .description(
      'Runs the services of the systems that the configuration names as one process, and what each of them runs on ' +
        'machines as processes of their own. What is gone is started again. The first SIGINT or SIGTERM ends them in ' +
        `order. Their logs go to stderr.${machineSentences(cli)}`,
    )
    .option('--data <DIR>', 'the data directory of all of them (env: OWL_DATA; default: ./data)')
    .option('--listen <HOST:PORT>', 'where the services answer (env: OWL_LISTEN; default: 127.0.0.1:50051)')
    .option(
      '--http-listen <HOST:PORT>',
      'where they answer over HTTP as well (env: OWL_HTTP_LISTEN; default: nowhere)',
    )
    .option(
      '--systems <NAMES>',
      `what to run, with commas between (env: OWL_SYSTEMS; default: ${usualOf(cli)})`,
    )
    .option('--no-machine', 'the services alone: nothing is started that runs work on this machine');
  addExamples(up, [
    ['owl up --data /var/lib/owl', 'a node for this machine alone'],
    ['owl up --config /etc/owl/owl.yaml', 'with everything as the file says'],
    [
      'owl up --no-machine --listen 0.0.0.0:50051',
      'the services alone, for other machines (set access, too)',
    ],
  ]);
  up.action(async (_options: unknown, self: Command) => {
    await runUp(cli, self.optsWithGlobals<UpOptions>());
  });
}

function machineSentences({ systems }: Cli): string {
  return systems
    .flatMap(({ name, machine }) => (machine === undefined ? [] : [` ${name} runs ${machine.about}.`]))
    .join('');
}

function usualOf({ settings }: Cli): string {
  return String(settings.keyAt(['systems'])?.fallback ?? 'none');
}

const Serving = z.object({
  address: z.string(),
  http_address: z.string().optional(),
  worker_id: z.string(),
});
const USUAL_HTTP = '127.0.0.1:50080';

const LISTEN_VARIABLE = 'OWL_LISTEN';

type Start = (name: string, args: () => readonly string[]) => Promise<string>;

async function runUp(cli: Cli, options: UpOptions): Promise<void> {
  const { data, listen, httpListen: http_listen, systems } = options;
  const loaded = configOf(cli, options, { data, listen, http_listen, systems });
  const { config } = loaded;
  const logger = loggerOf(cli, config);
  const settings = options.config === undefined ? [] : ['--config', options.config];
  const releasers = new Releasers(logger);
  const givenUp: Promise<never>[] = [];
  // A port that was taken as a free one stays the same when the services are started again.
  let address = config.listen;
  const start: Start = async (name, args) => {
    const { cwd, program } = cli;
    // What runs here knows the node by it as that of this machine, whose token it may show.
    const env = { ...cli.env, [LISTEN_VARIABLE]: address };
    const service = startOwlChild({
      ...{ name, args: () => [...args(), ...settings], env, cwd, logger },
      ...(program === undefined ? {} : { program }),
    });
    releasers.add(name, () => service.stop());
    givenUp.push(service.givenUp);
    const { firstLine } = await service.started;
    return firstLine;
  };
  try {
    let http = config.http_listen;
    const isFresh = !hasWorkedIn(config.data);
    const told = await start(config.systems.join(', '), () => [
      ...['node', 'run', '--json', '--data', config.data],
      ...['--listen', address, '--systems', config.systems.join(',')],
      ...(http === undefined ? [] : ['--http-listen', http]),
    ]);
    const serving = Serving.parse(JSON.parse(told));
    address = serving.address;
    http = serving.http_address;
    const server = formatAddress(localAddress(parseAddress(address) ?? { host: '127.0.0.1', port: 0 }));
    const machines = machineStates(systemsOf(cli, loaded), loaded, options.machine);
    for (const { side, whyNot } of machines) {
      if (side === undefined || whyNot !== undefined) continue;
      await start(side.name, () => side.args({ data: config.data, server }));
    }
    await tell(cli, options, { config, serving, machines });
    if (isFresh && http === undefined)
      await cli.err.line(
        `it answers no HTTP; \`owl up --http-listen ${USUAL_HTTP}\` (or http_listen) lets it`,
      );
    await untilInterrupted(cli, Promise.race(givenUp));
    await cli.err.line('owl is stopping; a second signal ends it at once');
  } finally {
    await releasers.releaseAll();
  }
}

interface Told {
  readonly config: NodeConfig;
  readonly serving: z.infer<typeof Serving>;
  readonly machines: readonly MachineState[];
}

async function tell(
  { out, err }: Cli,
  { json = false }: GlobalOptions,
  { config, serving, machines }: Told,
): Promise<void> {
  for (const { system, whyNot } of machines)
    if (whyNot !== undefined) await err.line(`${system}: nothing runs on this machine, since ${whyNot}`);
  const { address, http_address: httpAddress, worker_id: workerId } = serving;
  const { data } = config;
  const systems = machines.map(({ system, side, whyNot }) => ({
    name: system,
    machine: whyNot === undefined ? side?.name : undefined,
    why_not: whyNot,
  }));
  await out.line(
    json
      ? toJson({ ...serving, data, pid: process.pid, systems })
      : `owl is up at ${servedAt(config, address, httpAddress)} as worker ${workerId}, with its data in ${data}`,
  );
}
