/** A job with one input and what it writes, on a node: its events as they would come, and how its files stand. */

import type { JobEvent } from '../../../../../machines/workload/job.js';
import {
  declareFiles,
  registerDataset,
} from '../../../../../src/systems/workload/service/datasets/dataset-commands.js';
import { dataset, file } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { fileIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { job } from '../../../../../src/systems/workload/service/jobs/job-commands.js';
import { until } from '../../../../support/until.js';
import type { HttpWorkload } from '../../support/http-workload.js';

export const DATASETS = 'workload.DatasetManager';
export const IN = '11111111-2222-4333-8444-555555555555';
export const OUT = '22222222-2222-4333-8444-555555555555';
export const LOG = '33333333-2222-4333-8444-555555555555';
export const TASK = '99999999-2222-4333-8444-555555555555';
export const MD5 = '0cc175b9-c0f1-b6a8-31c3-99e269772661';
const output = (uid: string, file_name: string) => ({
  uid: fileIdOf(uid, 0),
  dataset_uid: uid,
  idx: 0,
  file_name,
});
export const created: JobEvent = {
  type: 'JobCreated',
  data: {
    ...{ seq: 0, level: 1, executable: 'wc', rank: 0, device_type: 'cpu', mode: 'map', retries: 0 },
    data_out_url: 'file:///out',
    inputs: [{ ...output(IN, 'a'), path: 'a' }],
    outputs: [output(OUT, 'a.j0')],
    log: output(LOG, 'a.j0.log'),
  },
};
export const written = (uid: string, file_name: string, size: string) => ({
  ...{ uid: fileIdOf(uid, 0), file_name, path: `t/${file_name}`, size, check_sum: MD5, sha256: 'ab' },
});
export const started = (claim_id: string, attempt: number): JobEvent[] => [
  { type: 'JobQueued', data: { queue: 'cpu', batch: 'b' } },
  {
    type: 'JobClaimed',
    data: { pilot: 'p', session_id: 's', claim_id, attempt, cur_retry: 0, lease_seconds: 60 },
  },
  {
    type: 'JobStarted',
    data: { claim_id, attempt, pid: 7, boot_id: 'b', start_time: '1', inputs_checked: 1 },
  },
];
export const finished = (claim_id: string, attempt: number): JobEvent[] => [
  ...started(claim_id, attempt),
  {
    type: 'JobFinished',
    data: {
      ...{ claim_id, attempt, exit_code: 0, wall_seconds: 1 },
      outputs: [written(OUT, 'a.j0', '7')],
      log: written(LOG, 'a.j0.log', '3'),
    },
  },
];

/** A dataset with one file, and places for what its job writes. */
export async function prepare(node: HttpWorkload): Promise<void> {
  const { system } = node.context.runtime;
  await node.call(DATASETS, 'dataset_register', { datasets: [{ uid: IN, name: 'in' }] });
  await node.call(DATASETS, 'dataset_add', { uid: IN, files: [{ file_name: 'a' }] });
  for (const [uid, produces, name] of [
    [OUT, 'output', 'a.j0'],
    [LOG, 'log', 'a.j0.log'],
  ] as const) {
    const registered = { name: produces, producer_task: TASK, produces };
    await system.execute(dataset, uid, { decide: registerDataset(registered) });
    await system.execute(dataset, uid, { decide: declareFiles(0, [{ name, path: '' }]) });
  }
}

export const happens = (node: HttpWorkload, uid: string, events: readonly JobEvent[]) =>
  node.context.runtime.system.execute(job, uid, { decide: () => events });

export const stateOf = async ({ context: { runtime } }: HttpWorkload, uid: string): Promise<unknown> =>
  (await runtime.system.read(file, fileIdOf(uid, 0))).snapshot.value;

export function filesAre(node: HttpWorkload, wanted: readonly [uid: string, state: string][]): Promise<void> {
  return until(`files are ${JSON.stringify(wanted)}`, async () => {
    for (const [uid, state] of wanted) if ((await stateOf(node, uid)) !== state) return false;
    return true;
  });
}
