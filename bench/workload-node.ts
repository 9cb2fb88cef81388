/** A node that runs workload in a process of its own, with who asks it; and orders of jobs that nothing real stands behind. */

import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { localTokenFile } from '../src/node/access/access-file.js';
import { WorkloadClient } from '../src/systems/workload/wire/workload-client.js';
import type { ClientCredentials } from '../src/wire/credentials.js';
import { Part } from './part.js';
import { BenchPilot, type BenchPilotOptions } from './workload-pilot.js';

const FILES_OF_A_BATCH = 1_000;
const EXECUTABLE = 'true';
const MD5 = 'd41d8cd98f00b204e9800998ecf8427e';

export class Served {
  readonly part: Part;
  readonly client: WorkloadClient;
  private readonly data: string;
  private readonly credentials: ClientCredentials;

  private constructor(part: Part, data: string) {
    this.part = part;
    this.data = data;
    this.credentials = { token: { file: localTokenFile(data) } };
    this.client = new WorkloadClient({
      ...{ server: part.address, credentials: this.credentials, deadlineMs: 600_000 },
    });
  }

  /** @param data its directory, absolute */
  static async start(data: string): Promise<Served> {
    return new Served(await Part.start('./server.js', { args: ['workload', data], profiled: true }), data);
  }

  async pilot(options: Pick<BenchPilotOptions, 'name' | 'slots' | 'isAsleep'>): Promise<BenchPilot> {
    const at = { server: this.part.address, credentials: this.credentials };
    const pilot = new BenchPilot({ ...at, ...options, executable: EXECUTABLE });
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
