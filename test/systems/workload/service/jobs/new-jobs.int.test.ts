/** Jobs of those who split by themselves: made in one order, run as any other, refused whole, and each made once however often asked. */

import t from 'tap';
import { z } from 'zod';
import { nameOfAttempt } from '../../../../../src/systems/workload/wire/attempt-names.js';
import { until } from '../../../../support/until.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES, startWorkload, type WorkloadNode } from '../../support/workload-node.js';

const Jobs = z.object({ jobs: z.array(z.looseObject({ uid: z.string(), job_id: z.number() })) });

/** A dataset with these files, all of them there. */
async function datasetOf({ http }: WorkloadNode, names: readonly string[]): Promise<string> {
  const { body } = await http('POST', '/datasets', { body: { name: 'in', storage_url: 'file:///in' } });
  const { datasets } = z.object({ datasets: z.array(z.object({ uid: z.string() })) }).parse(body);
  const uid = datasets[0]?.uid ?? '';
  await http('POST', `/datasets/${uid}/files`, {
    body: { files: names.map((file_name) => ({ file_name })) },
  });
  await until('its files are there', async () => {
    const { body: shown } = await http('GET', `/datasets/${uid}`);
    return Object(shown).files_available === names.length;
  });
  return uid;
}

const ORDER = { executable: 'wc', device_type: 'cpu', mode: 'map', data_out_url: 'file:///proc/nowhere/out' };

for (const [name, start] of Object.entries(ON_STORES))
  t.test(`made, run and cancelled on ${name}`, async (t) => {
    const node = await start(t);
    const { http } = node;
    const data_in_uid = await datasetOf(node, ['a.txt', 'b.txt', 'c.txt']);
    const jobs = [
      { ...ORDER, data_in_uid, inputs: ['a.txt'], args: '-l', rank: 2 },
      { ...ORDER, data_in_uid, inputs: ['c.txt', 'b.txt'], mode: 'merge', retries: 0 },
    ];
    const key = { 'idempotency-key': 'my-split' };
    const made = await http('POST', '/jobs', { body: { jobs }, headers: key });
    t.match(made, {
      status: 201,
      body: {
        jobs: [
          { job_id: 1, seq: 0, state: /created|queued/, rank: 2, args: '-l', retries: 3, inputs: 1 },
          { job_id: 2, seq: 1, mode: 'merge', retries: 0, inputs: 2, outputs: 1 },
        ],
      },
    });
    const uids = Jobs.parse(made.body).jobs.map(({ uid }) => uid);
    const again = await http('POST', '/jobs', { body: { jobs }, headers: key });
    t.match(again, { status: 201, headers: { 'idempotent-replay': 'true' } });
    t.same(
      Jobs.parse(again.body).jobs.map(({ uid }) => uid),
      uids,
    );
    t.match(await http('POST', '/jobs', { body: jobs.slice(0, 1), headers: key }), {
      status: 409,
      body: { kind: 'exists' },
    });
    t.match(await http('GET', '/jobs/2/files'), {
      body: { files: [{ file_name: 'c.txt' }, { file_name: 'b.txt' }, { type: 'output' }, { type: 'log' }] },
    });

    const pilot = await startPilot(t, node);
    const [first = '', second = ''] = uids;
    const grant = await pilot.take(first);
    t.match(grant, {
      storage_url: 'file:///in',
      outputs: [{ file_name: 'a.j0.txt' }],
      log: { file_name: 'a.j0.log' },
    });
    const written = ({ uid, file_name: file } = { uid: '', file_name: '' }) => ({
      ...{
        uid,
        file_name: file,
        path: `${first}/${nameOfAttempt(file, 1)}`,
        size: 4,
        sha256: '4'.repeat(64),
      },
      check_sum: 'b026324c6904b2a9cb4b88d6d61c81d1',
    });
    await pilot.started(grant);
    const told = await pilot.finished(grant, {
      ...{ outputs: grant.outputs?.map((one) => written(one)), log: written(grant.log) },
    });
    t.match(told, { is_success: true });
    await until('it is shown', async () => Object((await http('GET', '/jobs/1')).body).state === 'finished');
    t.match(await http('GET', '/jobs/1/files'), {
      body: {
        files: [{ status: 'used' }, { status: 'available', size: 4, path: `${first}/a.j0.a1.txt` }, {}],
      },
    });
    t.match(await http('POST', `/jobs/${second}/cancel`, { body: {} }), { status: 202 });
    await until(
      'it is cancelled',
      async () => Object((await http('GET', '/jobs/2')).body).state === 'cancelled',
    );
    const ofFirst = await node.eventsOf(first);
    t.strictSame(
      ofFirst.map(({ type }) => type),
      ['JobCreated', 'JobQueued', 'JobClaimed', 'JobStarted', 'JobFinished'],
    );
  });

t.test('an order that stopped on the way goes on under its key', async (t) => {
  const node = await startWorkload(t);
  const data_in_uid = await datasetOf(node, ['a', 'b', 'c']);
  const jobs = ['a', 'b', 'c'].map((file) => ({ ...ORDER, data_in_uid, inputs: [file] }));
  const order = { command_id: 'split-7', jobs };
  const whole = Jobs.parse((await node.http('POST', '/jobs', { body: order })).body);
  const other = await startWorkload(t);
  // Only one of them was stored by another node's first try.
  const [, middle] = whole.jobs;
  const same = await datasetOf(other, ['a', 'b', 'c']);
  await other.createJob(middle?.uid ?? '');
  t.match(
    await other.http('POST', '/jobs', {
      body: { ...order, jobs: jobs.map((one) => ({ ...one, data_in_uid: same })) },
    }),
    {
      status: 409,
      body: { kind: 'exists', detail: `there is a job ${middle?.uid} already` },
    },
  );
  t.match(await node.http('POST', '/jobs', { body: order }), {
    status: 201,
    body: { jobs: whole.jobs.map(({ uid }) => ({ uid })) },
  });
  t.match(await node.http('GET', '/jobs'), { body: { jobs: { length: 3 } } });
});

t.test('of a dataset that is cancelled no job is made, and none is done again', async (t) => {
  const node = await startWorkload(t);
  const { http } = node;
  const data_in_uid = await datasetOf(node, ['a', 'b']);
  const one = (file: string) => ({ ...ORDER, data_in_uid, inputs: [file], retries: 0 });
  const make = (file: string) => http('POST', '/jobs', { body: { jobs: [one(file)] } });
  const made = Jobs.parse((await http('POST', '/jobs', { body: { jobs: [one('a'), one('b')] } })).body);
  const [first = '', second = ''] = made.jobs.map(({ uid }) => uid);
  const pilot = await startPilot(t, node);
  const failing = await pilot.take(first);
  await pilot.started(failing);
  await pilot.failed(failing, 'payload_exit');
  const running = await pilot.take(second);
  await pilot.started(running);
  await pilot.beat();
  t.match(await http('POST', `/datasets/${data_in_uid}/cancel`, { body: {} }), {
    ...{ status: 202, body: { status: 'cancelling' } },
  });
  const refused = { status: 409, body: { kind: 'refused', reason: 'transition_refused' } };
  t.match(await make('a'), { ...refused, body: { detail: /is being cancelled$/ } });
  t.match(await http('POST', `/jobs/${first}/retry`, { body: {} }), {
    ...refused,
    body: { detail: /is being cancelled$/ },
  });
  t.match(await http('GET', `/jobs/${second}`), { body: { state: 'cancelling' } });
  await pilot.tell({ cancelled: { job: running.job, claim_id: running.claim_id, processes_ended: 1 } });
  await until('it is aborted', async () => {
    const { body } = await http('GET', `/datasets/${data_in_uid}`);
    return Object(body).status === 'aborted';
  });
  t.match(await make('a'), { ...refused, body: { detail: /was aborted$/ } });

  // All that was ordered, granted and ended is in the log of the node, once.
  const of = (grant: { readonly job: string; readonly claim_id: string }) => ({
    ...{ job: grant.job, claim: grant.claim_id, dataset: data_in_uid, pilot: 'p1' },
  });
  const told = node.log.entries('info').filter((line) => /^(job|order) /.test(String(Object(line).msg)));
  t.match(told, [
    { msg: 'order carried out', order: 'dataset_register', by: /^local@/, dataset: [data_in_uid] },
    { msg: 'order carried out', order: 'dataset_add', dataset: data_in_uid },
    { msg: 'order carried out', order: 'job_create', job: [first, second] },
    { msg: 'job granted', command: String, attempt: 1, ...of(failing) },
    { msg: 'job granted', command: String, ...of(running) },
    { msg: 'order carried out', order: 'dataset_cancel', dataset: data_in_uid },
    { msg: 'job cancelled', ...of(running) },
  ]);
  t.equal(told.length, 7);
  t.match(
    node.log.entries('warn').filter((line) => Object(line).job === first),
    [{ msg: 'job failed', failure: 'payload_exit', ...of(failing) }],
  );
});

t.test('a wrong order makes nothing, and says all that is wrong', async (t) => {
  const node = await startWorkload(t);
  const { http } = node;
  const data_in_uid = await datasetOf(node, ['a', 'b']);
  const good = { ...ORDER, data_in_uid, inputs: ['a'] };
  const invalid: readonly (readonly [wrong: object, field: string, rule: RegExp])[] = [
    [{ executable: '/bin/sh' }, 'executable', /never a path/],
    [{ args: 'a "b' }, 'args', /close each quote/],
    [{ device_type: 'tpu' }, 'device_type', /one of cpu, gpu/],
    [{ inputs: [] }, 'inputs', /is missing/],
    [{ inputs: ['a', 'b'] }, 'inputs', /one for a map/],
    [{ inputs: ['a', 'a'], mode: 'merge' }, 'inputs', /once, not twice: a/],
    [{ inputs: ['x/y'] }, 'inputs', /without a directory/],
    [{ data_out_url: 'http://h/o' }, 'data_out_url', /file:\/\/\//],
    [{ data_in_uid: 'run 7' }, 'data_in_uid', /UUID/],
    [{ rnak: 1 }, 'rnak', /did you mean rank\?/],
  ];
  for (const [wrong, field, rule] of invalid)
    t.match(await http('POST', '/jobs', { body: { jobs: [good, { ...good, ...wrong }] } }), {
      ...{ status: 422, body: { field: `jobs.1.${field}`, rule } },
    });
  const several = [{ ...good, inputs: [] }, good, { ...good, data_out_url: 'out' }];
  t.match(await http('POST', '/jobs', { body: several }), {
    body: { problems: [{ field: 'jobs.2.data_out_url' }] },
  });
  const elsewhere = '44444444-2222-4333-8444-555555555555';
  const others = [
    [{ inputs: ['z'] }, { status: 404, body: { reason: 'file_not_found', detail: /has no file z$/ } }],
    [{ data_in_uid: elsewhere }, { status: 404, body: { reason: 'dataset_not_found' } }],
  ] as const;
  for (const [wrong, answer] of others)
    t.match(await http('POST', '/jobs', { body: [good, { ...good, ...wrong }] }), answer);
  await http('POST', `/datasets/${data_in_uid}/cancel`, { body: { reason: 'wrong run' } });
  t.match(await http('POST', '/jobs', { body: good }), {
    ...{ status: 409, body: { reason: 'transition_refused', detail: /was aborted$/ } },
  });
  t.match(await http('POST', '/jobs', { body: Array.from({ length: 1001 }, () => good) }), { status: 422 });
  t.match(await http('POST', '/jobs', { body: good, authorization: null }), { status: 401 });
  t.match(await http('GET', '/jobs'), { body: { jobs: [] } }, 'nothing is there');
});
