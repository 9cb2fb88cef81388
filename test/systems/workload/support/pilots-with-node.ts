/** A real node, and pilots as processes: a storage with a dataset of six files, and what the event log says of the jobs over them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { ExecutableTable } from '../../../../src/systems/workload/machine/executables.js';
import type { PilotSettings } from '../../../../src/systems/workload/machine/pilot.js';
import { PilotDirectory } from '../../../../src/systems/workload/machine/pilot-directory.js';
import { WorkloadClient } from '../../../../src/systems/workload/wire/workload-client.js';
import { localCredentials } from '../../../support/local-credentials.js';
import { until } from '../../../support/until.js';
import { Executables, waitingBelow } from './executables.js';
import { startWorkload } from './workload-node.js';

export const FILES = 6;

/** @param more executables, of the directory of the storage */
export async function pilotsWithNode(
  t: Test,
  config: Readonly<Record<string, number>> = { lease_seconds: 3 },
  more: (storage: string) => ExecutableTable = () => ({}),
) {
  const here = await startWorkload(t, { config });
  const storage = join(here.data, 'storage');
  for (const folder of ['in', 'out']) mkdirSync(join(storage, folder), { recursive: true });
  const client = new WorkloadClient({
    server: here.node.address,
    credentials: localCredentials(here.data),
  });
  t.teardown(() => client.close());
  const settings: PilotSettings = {
    ...{ name: 'p1', device: 'cpu', slots: 3, memory_mib: 0, verify: 'always', grace_seconds: 1 },
    ...{ looping_seconds: 0, log_limit_mib: 1, storage_roots: [storage] },
    executables: {
      ...Executables,
      ...waitingBelow(storage),
      ...more(storage),
    },
  };
  /** @param within the command that it is an argument of */
  const pilot = async (name = 'p1', within: readonly string[] = []): Promise<ChildProcess> => {
    const main = fileURLToPath(new URL('./run-pilot.js', import.meta.url));
    const args = [main, here.data, here.node.address, JSON.stringify({ ...settings, name }), here.data];
    const [program = '', ...rest] = [...within, process.execPath, ...args];
    const child = spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
    t.teardown(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    });
    return child;
  };
  const sockets = ['p1', 'p2'].map((name) => PilotDirectory.of(here.data, name).keeperSocket);
  t.teardown(() => until('the keepers have ended', () => !sockets.some((path) => existsSync(path))));
  for (let n = 0; n < FILES; n++) writeFileSync(join(storage, 'in', `f${n}`), `${n}\n`);
  const url = (folder: string) => `file://${join(storage, folder)}`;
  const { datasets: [dataset] = [] } = await client.register({
    datasets: [{ name: 'in', storage_url: url('in') }],
  });
  const uid = dataset?.uid ?? '';
  await client.scan({ uid });
  await client.closeDataset({ uid });
  const submit = async (executable: string, out = 'out') => {
    const order = { executable, device_type: 'cpu', mode: 'map', data_in_uid: uid, data_out_url: url(out) };
    return (await client.submit(order)).uid ?? '';
  };
  const jobsOf = async (task: string) => {
    const all = [];
    for await (const page of client.jobs({ task })) all.push(...page);
    return all;
  };
  const typesOf = async (job: string | undefined) =>
    (await here.eventsOf(job ?? '')).map(({ type }) => type).filter((type) => type !== 'OrderAccepted');
  const ended = async (task: string) => {
    const states = ['finished', 'failed', 'cancelled'];
    await until('the task has ended', async () =>
      states.includes((await client.task({ id: task })).state ?? ''),
    );
    return await client.task({ id: task });
  };
  return { ...here, client, storage, pilot, submit, jobsOf, typesOf, ended };
}
