/**
 * The node of `owl workload demo` and its two pilots, as processes of their own in a directory of their own.
 *
 * Guarantee: when it comes back, no process of them is left, their keepers neither.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { z } from 'zod';
import { OwlError } from '../../../base/errors.js';
import { DemoProcesses, untilFree } from '../../../cli/demo-processes.js';
import { credentialsAt } from '../../../cli/globals.js';
import type { Cli } from '../../../cli/system.js';
import { PilotDirectory } from '../machine/pilot-directory.js';
import type { BrokerPlace } from '../wire/amqp/broker-address.js';
import { NODE } from '../wire/called.js';
import { WorkloadClient } from '../wire/workload-client.js';

const WORDS = fileURLToPath(new URL('../demo/words.js', import.meta.url));
export const PILOTS = { cpu: 'demo-cpu', gpu: 'demo-gpu' } as const;
const SLOTS = 2;
/** What a payload that still runs and its keeper take to end. */
const ENDS_WITHIN_MS = 10_000;

const Serving = z.object({ address: z.string() });
const Running = z.object({ pid: z.number() });

export interface DemoNode {
  readonly client: WorkloadClient;
  /** HOST:PORT. */
  readonly address: string;
  readonly cpu: DemoPilot;
  readonly gpu: DemoPilot;
}

export interface DemoPilot {
  readonly name: string;
  /** Of its process now. */
  pid(): number;
  /** With SIGKILL: nothing of it can do anything about that. It is started again. Answers which process it was. */
  kill(): number;
}

/** Runs them for as long as the work takes. @param directory empty */
export async function withDemoNode(
  cli: Cli,
  directory: string,
  broker: BrokerPlace | undefined,
  work: (demo: DemoNode) => Promise<void>,
): Promise<void> {
  const data = join(directory, 'node');
  const file = join(directory, 'owl.yaml');
  writeFileSync(file, stringify(configuration(broker)), { mode: 0o600 });
  const own = ['--json', '--config', file, '--data', data];
  const processes = new DemoProcesses(cli, directory);
  try {
    const serving = await processes.start('node', 'the node of the demo', [
      ...['node', 'run', ...own, '--listen', '127.0.0.1:0'],
    ]);
    const { address } = Serving.parse(JSON.parse(serving.firstLine));
    const start = (device: keyof typeof PILOTS) =>
      startPilot(processes, device, [...own, '--server', address]);
    const [cpu, gpu] = await Promise.all([start('cpu'), start('gpu')]);
    const loaded = cli.settings.load({ file, env: {}, cwd: directory, flags: { data } });
    const client = new WorkloadClient({
      ...{ server: address, called: NODE, credentials: credentialsAt(loaded, address) },
    });
    try {
      await work({ client, address, cpu, gpu });
    } finally {
      client.close();
    }
  } finally {
    await processes.stop();
    for (const name of Object.values(PILOTS))
      await untilFree(PilotDirectory.of(data, name).keeperLock, ENDS_WITHIN_MS);
  }
}

async function startPilot(
  processes: DemoProcesses,
  device: keyof typeof PILOTS,
  options: readonly string[],
): Promise<DemoPilot> {
  const name = PILOTS[device];
  const { service, firstLine } = await processes.start(device, `the ${device} pilot of the demo`, [
    ...['workload', 'pilot', 'run', '--name', name, '--device', device, '--slots', String(SLOTS), ...options],
  ]);
  const { pid: first } = Running.parse(JSON.parse(firstLine));
  const pid = () => service.found?.process.pid ?? first;
  return {
    name,
    pid,
    kill: () => {
      const killed = pid();
      if (service.found === undefined) throw new OwlError('unavailable', `${name} is not there`);
      process.kill(killed, 'SIGKILL');
      return killed;
    },
  };
}

function configuration(broker?: BrokerPlace): object {
  const program = [process.execPath, WORDS];
  return {
    systems: ['workload'],
    log: { format: 'line' },
    workload: {
      ...(broker === undefined
        ? {}
        : {
            ...{ broker: broker.url, broker_password_file: broker.passwordFile },
            broker_ca_file: broker.caFile,
          }),
      executables: {
        words: {
          argv: [...program, 'count', '{out}', '{in}', '{args}'],
          merge_argv: [...program, 'sum', '{out}', '{inputs}', '{args}'],
        },
      },
    },
  };
}
