/** `owl workload pilot run`: runs jobs on this machine until it is told to stop; what runs by then goes on. */

import { hostname } from 'node:os';
import type { Command } from 'commander';
import { OwlError } from '../../../base/errors.js';
import { packageVersion } from '../../../base/package-version.js';
import { toJson } from '../../../cli/format.js';
import { configOf, credentialsAt, type GlobalOptions, nodeAddress } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { loggerOf, staying, untilInterrupted } from '../../../cli/service.js';
import type { Cli } from '../../../cli/system.js';
import type { LoadedConfig } from '../../../node/config/config.js';
import { tellOpenPlacesOfCaller } from '../../../node/open-places.js';
import { type WorkloadConfig, withRoots, workloadSection } from '../config.js';
import type { PilotOptions, PilotSettings } from '../machine/pilot-options.js';
import { brokerPlaceOf } from './broker-place.js';

interface RunOptions extends GlobalOptions {
  readonly data?: string;
  readonly name?: string;
  readonly device?: string;
  readonly slots?: string;
  readonly memory?: string;
  readonly broker?: string;
  readonly whenStopped?: string;
}

/** Of a name. */
const LONGEST = 64;

/** The options of the command, by the keys that they say. */
const FLAG_OF = {
  'workload.pilot.name': '--name',
  'workload.pilot.device': '--device',
  'workload.pilot.slots': '--slots',
  'workload.pilot.memory_mib': '--memory',
  'workload.broker': '--broker',
  'workload.pilot.when_stopped': '--when-stopped',
} as const;

function settingsSaid(options: RunOptions): Record<keyof typeof FLAG_OF, string | undefined> {
  return {
    'workload.pilot.name': options.name,
    'workload.pilot.device': options.device,
    'workload.pilot.slots': options.slots,
    'workload.pilot.memory_mib': options.memory,
    'workload.broker': options.broker,
    'workload.pilot.when_stopped': options.whenStopped,
  };
}

export function addPilotRunCommand(pilot: Command, cli: Cli): void {
  const run = pilot
    .command('run')
    .summary('run jobs on this machine')
    .description(
      'Takes jobs of one device from the node and runs what workload.executables declares, until it is told to stop. ' +
        'Programs are detached: they go on whatever happens to it, and the next pilot of that name takes them over. ' +
        'The first SIGINT or SIGTERM ends it in order. Its log goes to stderr.',
    )
    .option(
      '--device <DEVICE>',
      'the kind of jobs: cpu or gpu (env: OWL_WORKLOAD_PILOT_DEVICE; default: cpu)',
    )
    .option('--slots <N>', 'jobs at the same time (env: OWL_WORKLOAD_PILOT_SLOTS; default: 1)')
    .option('--name <NAME>', 'what it is called (env: OWL_WORKLOAD_PILOT_NAME; default: HOST-DEVICE)')
    .option(
      '--memory <MIB>',
      'what its jobs may take in all (env: OWL_WORKLOAD_PILOT_MEMORY_MIB; default: 0)',
    )
    .option(
      '--broker <URL>',
      'the RabbitMQ that jobs and reports go through, in place of a server: amqp://[USER@]HOST[:PORT][/VHOST], with ' +
        'the password in workload.broker_password_file (env: OWL_WORKLOAD_BROKER; default: as configured)',
    )
    .option(
      '--when-stopped <WHAT>',
      'what becomes of jobs that run when it is told to end: go_on or end (env: OWL_WORKLOAD_PILOT_WHEN_STOPPED; default: go_on)',
    )
    .option('--data <DIR>', 'where it keeps what it runs (env: OWL_DATA; default: ./data)');
  addExamples(run, [
    ['owl workload pilot run --slots 4 --data /var/lib/owl', 'for the node of this machine'],
    ['owl workload pilot run --server farm:50051 --device gpu --data ./pilot', 'for one on another machine'],
    ['owl workload pilot run --broker amqp://owl@rabbit/farm', 'over RabbitMQ, for whichever node is there'],
  ]);
  run.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<RunOptions>();
    const loaded = configOf(cli, options, { data: options.data, ...settingsSaid(options) }, FLAG_OF);
    await runHere(cli, options, loaded);
  });
}

async function runHere(cli: Cli, options: RunOptions, loaded: LoadedConfig): Promise<void> {
  const { config } = loaded;
  const { workload } = loaded.of(workloadSection);
  const settings = settingsOf(workload);
  const { name, device, slots } = settings;
  const road = roadOf(cli, options, loaded, workload);
  const logger = loggerOf(cli, config).child({ name: 'owl.pilot', pilot: name });
  tellOpenPlacesOfCaller(loaded, logger);
  // Loaded here, because no other command needs what a pilot needs.
  const { runPilot } = await import('../machine/pilot.js');
  const starting = runPilot({
    ...{ settings, data: config.data, logger, ...road },
    version: packageVersion(),
    variables: { ...cli.env },
    interrupted: cli.interrupted,
  });
  const pilot = await staying(starting);
  try {
    const to = road.broker === undefined ? { server: road.server } : { broker: road.broker.url };
    const place = { name, device, slots, data: config.data, ...to, pid: process.pid };
    const told = `owl workload pilot ${name} runs ${device} jobs for ${to.server ?? to.broker}, ${slots} at a time, with its data in ${config.data}`;
    await cli.out.line(options.json ? toJson(place) : told);
    await untilInterrupted(
      cli,
      pilot.lost.then((error) => Promise.reject(error)),
    );
  } finally {
    await pilot.stop();
  }
}

/** Over a broker wherever one is configured: what `owl up` starts is given the address of its node all the same. */
function roadOf(
  cli: Cli,
  options: RunOptions,
  loaded: LoadedConfig,
  workload: WorkloadConfig['workload'],
): Pick<PilotOptions, 'server' | 'credentials' | 'broker'> {
  const broker = brokerPlaceOf(workload);
  if (broker !== undefined) return { broker };
  const server = nodeAddress(cli, options);
  return { server, credentials: credentialsAt(loaded, server) };
}

function settingsOf(workload: WorkloadConfig['workload']): PilotSettings {
  const { pilot, executables, storage_roots } = withRoots(workload);
  return { ...pilot, name: pilot.name ?? usualName(pilot.device), executables, storage_roots };
}

/** What this machine is called, as far as a name may hold it. */
function usualName(device: string): string {
  const host = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  if (host === '') throw new OwlError('invalid', 'this machine has no name; give the pilot one with --name');
  return `${host.slice(0, LONGEST - device.length - 1)}-${device}`;
}
