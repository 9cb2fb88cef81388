/** Nodes on one store agree about names and about the end of a dataset, and one that is new to it changes nothing. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import type { JobEvent } from '../../../../../machines/workload/job.js';
import { dataset, file } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { fileIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { until } from '../../../../support/until.js';
import { type HttpWorkload, NODE_STORES, startHttpWorkload } from '../../support/http-workload.js';

import {
  created,
  DATASETS,
  filesAre,
  finished,
  happens,
  IN,
  LOG,
  OUT,
  prepare,
  stateOf,
} from './written-files.js';

async function fleet(t: Test): Promise<readonly [HttpWorkload, HttpWorkload]> {
  const config = await NODE_STORES['the EventStoreDB double']?.(t);
  if (config === undefined) throw new Error('no store that nodes can share');
  const directory = t.testdir();
  const first = await startHttpWorkload(t, { config, data: join(directory, 'first') });
  return [first, await startHttpWorkload(t, { config, data: join(directory, 'second') })];
}

t.test('two nodes that are asked at once agree about names', async (t) => {
  const [first, second] = await fleet(t);
  const ask = (node: HttpWorkload, path: string, body: object) =>
    node.ask('POST', `/api/v1/workload${path}`, { body });
  const both = [first, second, first, second];
  const Code = z.object({ status: z.number() });
  const codes = async (asked: readonly Promise<object>[]) =>
    (await Promise.all(asked)).map((answer) => Code.parse(answer).status).sort();
  const registered = both.map((node) =>
    ask(node, '/datasets', { datasets: [{ name: 'same' }, { name: 'more' }] }),
  );
  t.same(await codes(registered), [201, 409, 409, 409]);
  await first.call(DATASETS, 'dataset_register', { datasets: [{ uid: IN, name: 'in' }] });
  const added = both.map((node, i) =>
    ask(node, `/datasets/${IN}/files`, { files: [{ file_name: 'same' }, { file_name: `own ${i}` }] }),
  );
  t.same(await codes(added), [201, 409, 409, 409]);
  const own = both.map((node, i) =>
    ask(node, `/datasets/${IN}/files`, { files: [{ file_name: `other ${i}` }] }),
  );
  t.same(await codes(own), [201, 201, 201, 201], 'who is slower tries again');
  await ask(second, `/datasets/${IN}/close`, {});
  await until(
    'it is closed',
    async () => (await first.context.runtime.system.read(dataset, IN)).snapshot.value === 'closed',
  );
  const history = await first.stream(DATASETS, 'dataset_history', { id: IN }, () => false);
  const types = history.map((event) => z.looseObject({ type: z.string() }).parse(event).type);
  t.equal(types.filter((type) => type === 'DatasetClosed').length, 1, 'closed once, though both nodes look');
  t.equal(types.at(-1), 'DatasetClosed', 'and nothing comes behind it');
});

t.test('a node that is new to an old history changes no file', async (t) => {
  const config = await NODE_STORES['the EventStoreDB double']?.(t);
  if (config === undefined) throw new Error('no store that nodes can share');
  const first = await startHttpWorkload(t, { config, data: join(t.testdir(), 'first') });
  await prepare(first);
  const failed: JobEvent = { type: 'JobFailed', data: { class: 'payload_exit', detail: 'code 1' } };
  await happens(first, 'j0', [created, failed]);
  await filesAre(first, [[OUT, 'failed']]);
  await happens(first, 'j0', [{ type: 'JobRetried', data: {} }, ...finished('c1', 1)]);
  await filesAre(first, [
    [OUT, 'available'],
    [LOG, 'available'],
  ]);
  const revision = async () => (await first.context.runtime.system.read(file, fileIdOf(OUT, 0))).revision;
  const before = await revision();
  const third = await startHttpWorkload(t, { config, data: join(t.testdirName, 'third') });
  await until('its reactors have read all', () =>
    third.context.runtime.status().reactors.every(({ caughtUp }) => caughtUp),
  );
  t.equal(await revision(), before);
  t.equal(await stateOf(third, OUT), 'available');
});
