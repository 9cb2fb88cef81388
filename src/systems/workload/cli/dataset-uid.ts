/** The uid of a dataset that is named as people name it: what is ordered about one wants the whole. */

import type { WorkloadClient } from '../wire/workload-client.js';

const UID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** @throws OwlError kind `not_found` when there is none, `invalid` when several begin so */
export async function datasetUid(client: WorkloadClient, id: string): Promise<string> {
  if (UID.test(id)) return id.toLowerCase();
  const { uid = '' } = await client.dataset({ id });
  return uid;
}
