/** Datasets as people name them: by number, name, uid or its beginning, or as what a task writes. What is ordered about one wants the whole uid. */

import { OwlError } from '../../../base/errors.js';
import type { WorkloadClient } from '../wire/workload-client.js';

const UID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** `task:7` is what task 7 writes, `logs:7` what its jobs print. */
const OF_TASK = /^(task|logs):(.+)$/;

export const DATASET_HELP =
  'the dataset: its number, name, uid, or a beginning of that; task:ID for what a task writes, logs:ID for its logs';

/** @throws OwlError kind `not_found` when there is none, `invalid` when several begin so */
export async function datasetUid(client: WorkloadClient, id: string): Promise<string> {
  if (UID.test(id)) return id.toLowerCase();
  const [, of, task] = OF_TASK.exec(id) ?? [];
  if (task === undefined) return (await client.dataset({ id })).uid ?? '';
  const { data_out_uid = '', data_log_uid = '' } = await client.task({ id: task });
  const uid = of === 'logs' ? data_log_uid : data_out_uid;
  if (uid === '') throw new OwlError('not_found', `task ${task} has no such dataset`);
  return uid;
}
