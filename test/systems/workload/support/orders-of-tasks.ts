/** Tasks over files that are nowhere, ordered as peers do: for jobs that run on pilots without processes. */

import { randomUUID } from 'node:crypto';
import { nameOfAttempt } from '../../../../src/systems/workload/wire/attempt-names.js';
import { until } from '../../../support/until.js';
import type { Granted, SyntheticPilot } from './synthetic-pilot.js';
import type { WorkloadNode } from './workload-node.js';

export const MD5 = 'b026324c-6904-b2a9-cb4b-88d6d61c81d1';

/** A task over so many files. @returns the uids of the task and of its jobs, by number */
export async function submitTask(node: WorkloadNode, files: number, more: object = {}) {
  const { datasets } = await node.ask('DatasetManager', 'dataset_register', {
    datasets: [{ name: `input ${randomUUID()}`, storage_url: 'file:///in' }],
  });
  const uid = String(Reflect.get(Array.isArray(datasets) ? Object(datasets[0]) : {}, 'uid'));
  const named = Array.from({ length: files }, (_, n) => ({
    file_name: `f${n}.txt`,
    size: 5,
    check_sum: MD5,
  }));
  await node.ask('DatasetManager', 'dataset_add', { uid, files: named });
  await node.ask('DatasetManager', 'dataset_close', { uid });
  const task = await node.ask('TaskManager', 'task_submit', {
    ...{ executable: 'wc', device_type: 'cpu', mode: 'map', data_in_uid: uid, data_out_url: 'file:///out' },
    ...more,
  });
  let jobs: string[] = [];
  await until('its jobs are made', async () => {
    const found = await node.jobs.call('job_list', { task: task['uid'] });
    jobs = [Reflect.get(found, 'jobs') ?? []].flat().map((one: object) => String(Reflect.get(one, 'uid')));
    return jobs.length === files;
  });
  return { task: String(task['uid']), jobs };
}

export async function finishJob(pilot: SyntheticPilot, grant: Granted, task: string) {
  const { job, claim_id, attempt, outputs = [], log } = grant;
  const written = (file: { readonly file_name?: string }) => ({
    ...file,
    ...{
      path: `${task}/${nameOfAttempt(file.file_name ?? '', attempt)}`,
      size: 4,
      check_sum: MD5,
      sha256: '4'.repeat(64),
    },
  });
  return await pilot.tellSurely({
    finished: { job, claim_id, outputs: outputs.map(written), log: written(log ?? {}), wall_seconds: 1 },
  });
}

export async function taskStatus(
  node: WorkloadNode,
  task: string,
): Promise<Readonly<Record<string, unknown>>> {
  return await node.ask('TaskManager', 'task_status', { id: task });
}

export async function untilTask(node: WorkloadNode, task: string, state: string, longestMs?: number) {
  const is = async () => (await taskStatus(node, task))['state'] === state;
  await until(`task ${task} is ${state}`, is, longestMs);
  return await taskStatus(node, task);
}
