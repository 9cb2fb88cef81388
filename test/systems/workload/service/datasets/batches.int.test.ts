/** A large batch on a real node, on both stores: it becomes files through a restart, and the dataset is closed once. */

import t from 'tap';
import { z } from 'zod';
import { until } from '../../../../support/until.js';
import { type HttpWorkload, NODE_STORES, startHttpWorkload } from '../../support/http-workload.js';

const DATASETS = 'workload.DatasetManager';

const Registered = z.object({ datasets: z.array(z.object({ uid: z.string() })) });
const url = (uid: string, rest: string) => `/api/v1/workload/datasets/${uid}${rest}`;

async function registered(node: HttpWorkload, name: string, more = {}): Promise<string> {
  const { datasets } = Registered.parse(
    await node.call(DATASETS, 'dataset_register', { datasets: [{ name, ...more }] }),
  );
  return datasets[0]?.uid ?? '';
}

async function status(node: HttpWorkload, id: string) {
  const found = await node.call(DATASETS, 'dataset_status', { id });
  return z.looseObject({ status: z.string(), files: z.number(), files_available: z.number() }).parse(found);
}

function statusIs(node: HttpWorkload, uid: string, wanted: string): Promise<void> {
  return until(`${uid} is ${wanted}`, async () => (await status(node, uid)).status === wanted);
}

for (const [name, store] of Object.entries(NODE_STORES))
  t.test(`${name}: a batch is expanded through a restart, and what was closed is closed once`, async (t) => {
    const config = await store(t);
    const node = await startHttpWorkload(t, { config });
    const count = name === 'SQLite' ? 1_000 : 100;
    const uid = await registered(node, 'large', { expected_files: count });
    const files = Array.from({ length: count }, (_, i) => ({
      file_name: `${'f'.repeat(44)}${i}`,
      ...{ path: `${'d'.repeat(150)}/${i}`, size: 1, check_sum: '0'.repeat(32), sha256: '1'.repeat(64) },
    }));
    await node.call(DATASETS, 'dataset_add', { uid, files });
    const { db } = node.context.runtime;
    const row = db.prepare('SELECT files_available FROM dsm_datasets WHERE uid = ?').get(uid);
    t.ok(Number(row?.['files_available']) < count, 'it is stopped in the middle');
    await node.node.stop();
    const again = await startHttpWorkload(t, { config, data: node.data });
    await statusIs(again, uid, 'closed');
    t.match(await status(again, uid), { files: count, files_available: count, bytes: count, complete: true });
    await again.node.stop();
    const third = await startHttpWorkload(t, { config, data: node.data });
    const history = await third.stream(DATASETS, 'dataset_history', { id: uid }, () => false);
    t.match(
      history.map((event) => z.looseObject({ type: z.string() }).parse(event).type),
      ['DatasetRegistered', 'DatasetFilesAdded', 'DatasetSealed', 'DatasetClosed'],
    );
    t.match(await third.ask('GET', url('12345678', '/history')), {
      status: 404,
      body: { reason: 'dataset_not_found' },
    });
  });
