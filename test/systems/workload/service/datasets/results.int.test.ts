import t from 'tap';
import type { JobEvent } from '../../../../../machines/workload/job.js';
import type { TaskEvent } from '../../../../../machines/workload/task.js';
import { sealWritten } from '../../../../../src/systems/workload/service/datasets/dataset-commands.js';
import { dataset, file } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { results } from '../../../../../src/systems/workload/service/datasets/results.js';
import { fileIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { JobOrders } from '../../../../../src/systems/workload/service/jobs/job-orders.js';
import { task } from '../../../../../src/systems/workload/service/tasks/task-type.js';
import { until } from '../../../../support/until.js';
import { NODE_STORES, startHttpWorkload } from '../../support/http-workload.js';
import { steppedClock } from '../../support/stepped-clock.js';

import {
  created,
  DATASETS,
  filesAre,
  finished,
  happens,
  IN,
  LOG,
  MD5,
  OUT,
  prepare,
  started,
  TASK,
  written,
} from './written-files.js';

const HOUR_MS = 3_600_000;

for (const [name, store] of Object.entries(NODE_STORES)) {
  t.test(`${name}: outputs and logs follow their job through failure, retry and end`, async (t) => {
    const node = await startHttpWorkload(t, { config: await store(t) });
    await prepare(node);
    const missing = { class: 'input_missing', detail: 'a is not there', file: fileIdOf(IN, 0) };
    await happens(node, 'j0', [created, { type: 'JobFailed', data: missing }]);
    await filesAre(node, [
      [IN, 'missing'],
      [OUT, 'failed'],
      [LOG, 'failed'],
    ]);
    const again: JobEvent = { type: 'JobRetried', data: {} };
    await happens(node, 'j0', [again, ...finished('c1', 1)]);
    await filesAre(node, [
      [OUT, 'available'],
      [LOG, 'available'],
    ]);
    t.match(await node.call(DATASETS, 'dataset_files', { uid: OUT }), {
      files: [{ file_name: 'a.j0', path: 't/a.j0', size: 7, producer_job: 'j0', status: 'available' }],
    });
    t.match(await node.call(DATASETS, 'dataset_status', { id: OUT }), { files_available: 1, bytes: 7 });
  });

  t.test(`${name}: the log of a failed job is there, until a later attempt has another`, async (t) => {
    const node = await startHttpWorkload(t, { config: await store(t) });
    await prepare(node);
    const failed = (attempt: number): JobEvent[] => [
      ...started(`c${attempt}`, attempt),
      {
        type: 'JobFailed',
        data: {
          ...{ class: 'payload_exit', detail: 'code 1', claim_id: `c${attempt}`, attempt },
          log: written(LOG, 'a.j0.log', String(attempt)),
        },
      },
    ];
    const retried = (attempt: number): JobEvent => ({ type: 'JobRetried', data: { attempt } });
    const logIs = (size: number) =>
      until(`the log has ${size} bytes`, async () => {
        const { files } = Object(await node.call(DATASETS, 'dataset_files', { uid: LOG }));
        return Number(files?.[0]?.size) === size && files[0].status === 'available';
      });
    await happens(node, 'j0', [created, ...failed(1)]);
    await logIs(1);
    await filesAre(node, [[OUT, 'failed']]);
    t.match(await node.call(DATASETS, 'dataset_status', { id: LOG }), { files_available: 1, bytes: 1 });
    await happens(node, 'j0', [retried(1)]);
    await filesAre(node, [
      [OUT, 'declared'],
      [LOG, 'declared'],
    ]);
    await happens(node, 'j0', [...failed(2), retried(2), ...failed(3)]);
    await logIs(3);
    await happens(node, 'j0', [retried(3), ...finished('c4', 4)]);
    await filesAre(node, [[OUT, 'available']]);
    t.match(await node.call(DATASETS, 'dataset_status', { id: LOG }), { files_available: 1, bytes: 3 });
  });

  t.test(`${name}: what is cancelled is discarded, and a changed input is corrupt`, async (t) => {
    const node = await startHttpWorkload(t, { config: await store(t) });
    await prepare(node);
    const changed = { class: 'input_checksum', detail: 'a is another one', file: fileIdOf(IN, 0) };
    const found = { found_size: '9', found_check_sum: MD5 };
    await happens(node, 'j0', [created, { type: 'JobFailed', data: { ...changed, ...found } }]);
    await filesAre(node, [[IN, 'corrupt']]);
    const { runtime } = node.context;
    await runtime.system.execute(file, fileIdOf(IN, 0), {
      decide: () => [{ type: 'FileRestored', data: { reason: 'put back' } }],
    });
    await runtime.caughtUp();
    const told = [];
    for await (const event of runtime.store.readStream('wl_job-j0'))
      told.push(
        ...(await results({ runtime, db: runtime.db }, new JobOrders(runtime.store)).react(event, {
          now: 0,
          signal: new AbortController().signal,
        })),
      );
    t.ok(told.length > 0);
    t.notOk(
      told.some(({ id }) => id === fileIdOf(IN, 0)),
      'told again, an old report says nothing of a file that is there again',
    );
    const cancelled: JobEvent = { type: 'JobCancelled', data: { reason: 'wrong', processes_ended: 0 } };
    await happens(node, 'j0', [{ type: 'JobRetried', data: {} }, cancelled]);
    await filesAre(node, [
      [OUT, 'discarded'],
      [LOG, 'discarded'],
    ]);
  });

  t.test(
    `${name}: a wall clock that is set back hides no bad input, and revives no old report`,
    async (t) => {
      const clock = steppedClock();
      const node = await startHttpWorkload(t, { config: await store(t), clock });
      await prepare(node);
      const { runtime } = node.context;
      const restored = () =>
        runtime.system.execute(file, fileIdOf(IN, 0), {
          decide: () => [{ type: 'FileRestored', data: { reason: 'put back' } }],
        });
      const failed: JobEvent = {
        type: 'JobFailed',
        data: { class: 'input_missing', detail: 'a is not there', file: fileIdOf(IN, 0) },
      };
      clock.step(2 * HOUR_MS);
      await happens(node, 'j0', [created, failed]);
      await filesAre(node, [[IN, 'missing']]);
      await restored();
      clock.step(-HOUR_MS);
      await happens(node, 'j1', [created, failed]);
      await filesAre(node, [[IN, 'missing']]);
      clock.step(-HOUR_MS);
      await restored();
      await runtime.caughtUp();
      const told = [];
      for (const uid of ['j0', 'j1'])
        for await (const event of runtime.store.readStream(`wl_job-${uid}`))
          told.push(
            ...(await results({ runtime, db: runtime.db }, new JobOrders(runtime.store)).react(event, {
              now: 0,
              signal: new AbortController().signal,
            })),
          );
      t.ok(told.length > 0);
      t.notOk(told.some(({ id }) => id === fileIdOf(IN, 0)));
    },
  );
}

t.test('what a task writes is closed with the task', async (t) => {
  const node = await startHttpWorkload(t);
  await prepare(node);
  const { system, db } = node.context.runtime;
  await happens(node, 'j0', [created, ...finished('c1', 1)]);
  await system.execute(dataset, OUT, { decide: sealWritten('all is planned') });
  await filesAre(node, [[OUT, 'available']]);
  const row = () => db.prepare('SELECT status, files_available FROM dsm_datasets WHERE uid = ?').get(OUT);
  await until('it is settled', () => row()?.['files_available'] === 1);
  // The closer has come by when it has closed another one that was settled later.
  await node.call(DATASETS, 'dataset_close', { uid: IN });
  await until('another is closed', async () => (await system.read(dataset, IN)).snapshot.value === 'closed');
  t.match(row(), { status: 'sealed' }, 'its task is not finished');
  const order = {
    ...{
      executable: 'wc',
      rank: 0,
      device_type: 'cpu',
      mode: 'map',
      retries: 0,
      data_out_url: 'file:///out',
    },
    ...{ data_in_uid: IN, data_out_uid: OUT, data_log_uid: LOG, files_per_job: 1, max_failed_jobs: 0 },
    ...{ require_complete: true, until_one: false },
  };
  const ended: TaskEvent[] = [
    { type: 'TaskRegistered', data: order },
    { type: 'TaskSplitStarted', data: {} },
    { type: 'TaskSplitCompleted', data: { jobs: 0 } },
    { type: 'TaskFinished', data: { finished: 0, failed: 0, cancelled: 0 } },
  ];
  await system.execute(task, TASK, { decide: () => ended });
  await until('it is closed', async () => (await system.read(dataset, OUT)).snapshot.value === 'closed');
});
