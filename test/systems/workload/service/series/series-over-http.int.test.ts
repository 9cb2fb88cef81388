/** A series over HTTP alone: ordered, watched, finished and cancelled with nothing but `fetch`. */

import { readFileSync } from 'node:fs';
import t from 'tap';
import { localTokenFile } from '../../../../../src/node/access/access-file.js';
import { until } from '../../../../support/until.js';
import { NODE_STORES, startHttpWorkload } from '../../support/http-workload.js';

interface Answer {
  readonly status: number;
  readonly replayed: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

type Ask = (method: string, path: string, body?: object, key?: string) => Promise<Answer>;

/** Whoever has the address of a node and a token. */
function asking(address: string, data: string): Ask {
  const authorization = `Bearer ${readFileSync(localTokenFile(data), 'utf8').trim()}`;
  return async (method, path, body, key) => {
    const answer = await fetch(`http://${address}/api/v1/workload${path}`, {
      method,
      headers: {
        ...{ authorization, 'content-type': 'application/json' },
        ...(key === undefined ? {} : { 'idempotency-key': `"${key}"` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const replayed = answer.headers.get('idempotent-replay') === 'true';
    return { status: answer.status, replayed, body: Object(await answer.json()) };
  };
}

const STEP = { executable: 'sort', device_type: 'cpu', mode: 'map', data_out_url: 'file:///out' };
const STEPS = [STEP, { ...STEP, mode: 'merge', files_per_job: 2 }];

/** Closed datasets with so many files each. @returns their uids */
async function datasets(ask: Ask, name: string, files: readonly number[]): Promise<string[]> {
  const named = files.map((_, n) => ({ name: `${name} ${n}`, storage_url: 'file:///in' }));
  const made = await ask('POST', '/datasets', named);
  const uids = [made.body['datasets'] ?? []].flat().map((one: object) => String(Reflect.get(one, 'uid')));
  for (const [n, count] of files.entries()) {
    const all = Array.from({ length: count }, (_, i) => ({ file_name: `f${i}.txt`, size: 1 }));
    if (count > 0) await ask('POST', `/datasets/${uids[n]}/files`, { files: all });
    await ask('POST', `/datasets/${uids[n]}/close`, {});
  }
  return uids;
}

for (const [name, storeOf] of Object.entries(NODE_STORES))
  t.test(`on ${name}`, async (t) => {
    const { address, data } = await startHttpWorkload(t, { config: await storeOf(t) });
    const ask = asking(address, data);
    const shown = async (id: number) => (await ask('GET', `/series/${id}`)).body;
    const untilState = (id: number, state: string) =>
      until(`series ${id} is ${state}`, async () => (await shown(id))['state'] === state);

    const empty = await datasets(ask, 'empty', [0, 0]);
    const order = { name: 'nothing', datasets: empty, steps: STEPS };
    const submitted = await ask('POST', '/series', order, 'once');
    t.match(submitted, { status: 201, body: { series_id: 1, datasets_total: 2, steps_total: 2 } });
    t.match(await ask('POST', '/series', order, 'once'), { replayed: true, body: { series_id: 1 } });
    await untilState(1, 'finished');
    t.match(await shown(1), {
      ...{ datasets_finished: 2, remarks: '2 of 2 datasets are done' },
      datasets: [{ task_ids: [1, 2] }, { task_ids: [3, 4] }],
    });

    const filled = await datasets(ask, 'filled', [3, 2]);
    await ask('POST', '/series', { name: 'week', datasets: filled, steps: STEPS });
    await until('the first step of the first dataset has its jobs', async () => {
      return (await ask('GET', '/tasks/5')).body['jobs_total'] === 3;
    });
    t.match(await shown(2), {
      ...{ state: 'running', datasets_under_way: 1 },
      remarks:
        /^0 of 2 datasets are done; dataset 1 of 2 .*: task 5, step 1 of 2, is running: waits for 3 of 3 jobs/,
      datasets: [{ dataset_uid: filled[0], state: 'under_way' }, { state: 'waiting' }],
    });
    t.match((await ask('GET', '/series?state=running')).body, { series: [{ series_id: 2, name: 'week' }] });
    const { uid } = await shown(2);
    t.match((await ask('GET', '/tasks/5')).body, { series_uid: uid });

    t.match(await ask('POST', '/series/2/cancel', { reason: 'wrong steps' }), { status: 202 });
    await untilState(2, 'cancelled');
    for (const task of [5, 6]) t.match((await ask('GET', `/tasks/${task}`)).body, { state: 'cancelled' });
    t.match(await ask('POST', '/series/1/cancel', {}), { status: 409, body: { kind: 'refused' } });
    t.match(await ask('GET', '/series/7'), { status: 404, body: { reason: 'series_not_found' } });
    t.match(await ask('POST', '/series', { ...order, datasets: ['x'], steps: [] }), {
      status: 422,
      body: { problems: [{ field: 'datasets.0' }, { field: 'steps' }] },
    });
  });
