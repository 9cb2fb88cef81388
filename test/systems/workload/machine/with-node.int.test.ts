/** Pilots as processes with a real node: what the event log says once they were killed, cancelled and lied to. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { PilotSettings } from '../../../../src/systems/workload/machine/pilot.js';
import { PilotDirectory } from '../../../../src/systems/workload/machine/pilot-directory.js';
import { WorkloadClient } from '../../../../src/systems/workload/wire/workload-client.js';
import { localCredentials } from '../../../support/local-credentials.js';
import { until } from '../../../support/until.js';
import { Executables, waitingBelow } from '../support/executables.js';
import { kill } from '../support/pilot-world.js';
import { startWorkload } from '../support/workload-node.js';

const FILES = 6;

/** Says so when another of the same job lives. */
const ALONE = `
  mkdir "$2/lives-$3" || echo "$3" >>"$2/twice"
  trap 'rmdir "$2/lives-$3"; exit 1' TERM
  echo x >>"$2/starts-$3"
  while [ ! -e "$2/in/go-$3" ]; do sleep 0.05; done
  echo out >"$0"`;

async function started(t: Test, config: Readonly<Record<string, number>> = { lease_seconds: 3 }) {
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
      ...{ ...Executables, ...waitingBelow(storage) },
      alone: { argv: ['/bin/sh', '-c', ALONE, '{out}', '{in}', storage, '{job_id}'], environment: [] },
    },
  };
  const pilot = async (name = 'p1'): Promise<ChildProcess> => {
    const main = fileURLToPath(new URL('../support/run-pilot.js', import.meta.url));
    const args = [main, here.data, here.node.address, JSON.stringify({ ...settings, name }), here.data];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
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
  const submit = async (executable: string) => {
    const order = { executable, device_type: 'cpu', mode: 'map', data_in_uid: uid, data_out_url: url('out') };
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

t.test(
  'a pilot that is killed twice costs nothing: each job is claimed once, starts once and finishes',
  async (t) => {
    const { storage, pilot, submit, jobsOf, typesOf, ended } = await started(t);
    let running = await pilot();
    const task = await submit('wait');
    const starts = () => readdirSync(storage).filter((name) => name.startsWith('starts-'));
    await until('three run', () => starts().length === 3);
    await kill(running);
    running = await pilot();
    for (const name of starts()) writeFileSync(join(storage, 'in', name.replace('starts-', 'go-')), '');
    await until('the others run', () => starts().length === FILES);
    await kill(running);
    for (const name of starts()) writeFileSync(join(storage, 'in', name.replace('starts-', 'go-')), '');
    await pilot();
    t.match(await ended(task), { state: 'finished', jobs_finished: FILES });
    for (const { uid, losses = 0, attempt } of await jobsOf(task)) {
      const types = await typesOf(uid);
      for (const type of ['JobClaimed', 'JobStarted', 'JobFinished'])
        t.equal(types.filter((one) => one === type).length, 1, `${type} once`);
      t.same([losses, attempt], [0, 1]);
      t.equal(readFileSync(join(storage, `starts-${uid}`), 'utf8'), 'x\n', 'its program began once');
    }
    t.equal(readdirSync(join(storage, 'out', task)).length, 2 * FILES, 'an output and a log of each');
  },
);

t.test('another runs the job of a pilot that is gone, and never beside what was left of it', async (t) => {
  const times = { lease_seconds: 1, give_up_seconds: 6, margin_seconds: 4 };
  const { storage, pilot, submit, jobsOf, typesOf, ended } = await started(t, times);
  const first = await pilot();
  const task = await submit('alone');
  const starts = () => readdirSync(storage).filter((name) => name.startsWith('starts-'));
  const isRunning = async () => (await jobsOf(task)).filter(({ state }) => state === 'running').length === 3;
  await until('three run', isRunning);
  const left = starts();
  await kill(first);
  for (const { uid } of await jobsOf(task))
    if (!left.includes(`starts-${uid}`)) writeFileSync(join(storage, 'in', `go-${uid}`), '');
  await pilot('p2');
  const again = (name: string) => readFileSync(join(storage, name), 'utf8') === 'x\nx\n';
  await until('what was left runs again', () => left.every(again));
  t.notOk(existsSync(join(storage, 'twice')), 'never two at once');
  for (const name of left) writeFileSync(join(storage, 'in', name.replace('starts-', 'go-')), '');
  t.match(await ended(task), { state: 'finished', jobs_finished: FILES });
  for (const { uid, losses = 0, cur_retry, attempt } of await jobsOf(task)) {
    if (!left.includes(`starts-${uid}`)) continue;
    t.same([losses, cur_retry, attempt], [1, 0, 2], 'a loss is no failure of the job');
    t.same(
      (await typesOf(uid)).filter((type) => /Claimed|Started|Failed|Finished/.test(type)),
      [...['JobClaimed', 'JobStarted', 'JobAttemptFailed', 'JobClaimed', 'JobStarted', 'JobFinished']],
    );
  }
});

t.test('a task that is cancelled has ended once nothing of it runs, and stores nothing', async (t) => {
  const { client, storage, pilot, submit, jobsOf, typesOf, ended } = await started(t);
  await pilot();
  const task = await submit('wait');
  await until('some run', () => readdirSync(storage).some((name) => name.startsWith('starts-')));
  await client.orderTask('cancel', { id: task, reason: 'nobody wants it' });
  t.match(await ended(task), { state: 'cancelled', jobs_cancelled: FILES });
  for (const { uid } of await jobsOf(task)) t.equal((await typesOf(uid)).at(-1), 'JobCancelled');
  t.notOk(existsSync(join(storage, 'out', task)) && readdirSync(join(storage, 'out', task)).length > 0);
});

t.test('an input that was changed fails its job for good, no other, and is known as corrupt', async (t) => {
  const { client, storage, pilot, submit, jobsOf, ended } = await started(t);
  writeFileSync(join(storage, 'in', 'f3'), 'X\n');
  await pilot();
  const task = await submit('upper');
  t.match(await ended(task), { state: 'failed', jobs_failed: 1, jobs_finished: FILES - 1 });
  const failed = (await jobsOf(task)).filter(({ state }) => state === 'failed');
  t.match(failed, [{ failure_class: 'input_checksum', cur_retry: 0, attempt: 1 }]);
  await until('the file is known as corrupt', async () => {
    const { data_in_uid: uid = '' } = await client.task({ id: task });
    for await (const files of client.files({ uid, status: ['corrupt'] }))
      if (files.some(({ file_name }) => file_name === 'f3')) return true;
    return false;
  });
});
