/** A node that runs workload in a process of its own, with who asks it; and orders of jobs that nothing real stands behind. */

import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { localTokenFile } from '../src/node/access/access-file.js';
import { WorkloadClient } from '../src/systems/workload/wire/workload-client.js';
import type { ClientCredentials } from '../src/wire/credentials.js';
import { Part } from './part.js';
import { type BenchBroker, BrokerPilot } from './workload-broker.js';
import { BenchPilot, type BenchPilotOptions } from './workload-pilot.js';

const FILES_OF_A_BATCH = 1_000;
const EXECUTABLE = 'true';
const MD5 = 'd41d8cd98f00b204e9800998ecf8427e';

export class Served {
  readonly part: Part;
  readonly client: WorkloadClient;
  private readonly data: string;
  private readonly credentials: ClientCredentials;
  private readonly broker: BenchBroker | undefined;

  private constructor(part: Part, data: string, broker: BenchBroker | undefined) {
    this.part = part;
    this.data = data;
    this.broker = broker;
    this.credentials = { token: { file: localTokenFile(data) } };
    this.client = new WorkloadClient({
      ...{ server: part.address, credentials: this.credentials, deadlineMs: 600_000 },
    });
  }

  /** What its rows end with. */
  get road(): string {
    return this.broker === undefined ? '' : ', over RabbitMQ';
  }

  /** @param data its directory, absolute @param broker what its pilots speak over; default: gRPC */
  static async start(data: string, broker?: BenchBroker): Promise<Served> {
    const env = {
      ...(broker === undefined ? {} : { BENCH_BROKER: broker.url }),
      ...(broker?.passwordFile === undefined ? {} : { BENCH_BROKER_PASSWORD_FILE: broker.passwordFile }),
    };
    const part = await Part.start('./server.js', { args: ['workload', data], env, profiled: true });
    return new Served(part, data, broker);
  }

  /** Of the node, of this process, which its pilots are in, and of its broker. */
  async cpuSeconds(): Promise<number[]> {
    const { user, system } = process.cpuUsage();
    const { cpuSeconds } = await this.part.figures();
    const ofBroker = this.broker === undefined ? [] : [this.broker.cpuSeconds()];
    return [cpuSeconds, (user + system) / 1e6, ...ofBroker];
  }

  async pilot(
    options: Pick<BenchPilotOptions, 'name' | 'slots' | 'isAsleep'>,
  ): Promise<BenchPilot | BrokerPilot> {
    const { broker, credentials } = this;
    const at = { server: this.part.address, credentials };
    const pilot =
      broker === undefined
        ? new BenchPilot({ ...at, ...options, executable: EXECUTABLE })
        : new BrokerPilot(broker, options.name, options.slots, EXECUTABLE);
    await pilot.start();
    return pilot;
  }

  /** A dataset of so many files, closed, and a task on it. @returns the uid of the task */
  async order(files: number): Promise<string> {
    const { client, data } = this;
    const uid = randomUUID();
    const out = join(data, 'out');
    mkdirSync(out, { recursive: true });
    await client.register({ datasets: [{ uid, name: `bench ${uid}`, storage_url: `file://${data}` }] });
    for (let from = 0; from < files; from += FILES_OF_A_BATCH) {
      const places = Array.from({ length: Math.min(FILES_OF_A_BATCH, files - from) }, (_, n) => from + n);
      await client.add({
        uid,
        files: places.map((n) => ({ file_name: `f${n}.txt`, path: `f${n}.txt`, size: 0, check_sum: MD5 })),
      });
    }
    await client.closeDataset({ uid });
    while ((await client.dataset({ id: uid })).status !== 'closed') await pause(20);
    const order = { executable: EXECUTABLE, device_type: 'cpu', mode: 'map', data_in_uid: uid };
    const task = await client.submit({ ...order, data_out_url: `file://${out}` });
    return String(task.uid);
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.part.stop();
  }
}
