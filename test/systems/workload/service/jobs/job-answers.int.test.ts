/** What is asked about jobs and pilots, and ordered of them, over a real node. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { z } from 'zod';
import * as jobOperations from '../../../../../src/systems/workload/service/jobs/job-operations.js';
import * as pilotOperations from '../../../../../src/systems/workload/service/pilots/pilot-operations.js';
import { loadProto } from '../../../../../src/wire/proto.js';
import { differences } from '../../../../node/operations/operation-contract.js';
import { until } from '../../../../support/until.js';
import { steppedClock } from '../../support/stepped-clock.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES, startWorkload, type WorkloadNode } from '../../support/workload-node.js';

const PilotPage = z.looseObject({
  pilots: z.array(z.looseObject({ name: z.string() })).optional(),
  next_page_token: z.string().optional(),
});

async function remarksOf(node: WorkloadNode, id: string): Promise<unknown> {
  return Reflect.get(await node.jobs.call('job_status', { id }), 'remarks');
}

t.test('the operations are what the proto file says', async (t) => {
  const proto = loadProto('workload');
  for (const one of Object.values({ ...jobOperations, ...pilotOperations }))
    if (typeof one === 'object' && 'service' in one) t.strictSame(differences(one, proto), [], one.name);
});

t.test('each job that waits says why, with figures', async (t) => {
  const node = await startWorkload(t);
  await node.createJob('00000001-aaaa', { executable: 'sort' });
  t.match(
    await remarksOf(node, '1'),
    /no cpu pilot offers sort yet; it fails as executable_unknown in about \d+ s unless one comes/,
  );
  const pilot = await startPilot(t, node, { slots: 2, memoryMib: 100 });
  await node.createJob('00000002-aaaa', { memory_mib: 200 });
  t.equal(
    await remarksOf(node, '2'),
    'needs 200 MiB of memory, and of the pilots that offer wc none has more than 100',
  );
  for (const n of [3, 4, 5, 6]) await node.createJob(`0000000${n}-aaaa`);
  await pilot.take('00000003-aaaa');
  await pilot.take('00000004-aaaa');
  await until('both are under way', async () => (await remarksOf(node, '4')) === undefined);
  t.equal(
    await remarksOf(node, '6'),
    'waits for a slot: 2 of 2 slots of 1 pilot that offer wc are taken, and 1 job is before it',
  );
  t.match(await node.jobs.call('job_list', { newest_first: true, page_size: 1 }), {
    jobs: [{ job_id: 6, remarks: 'waits for a slot: 2 of 2 slots of 1 pilot that offer wc are taken' }],
  });
  await pilot.leave();
  t.equal(await remarksOf(node, '6'), 'no cpu pilot that takes work offers wc: p1 is detached');
});

t.test('a hint goes only to a pilot with room for the memory', async (t) => {
  const node = await startWorkload(t);
  const small = await startPilot(t, node, { name: 'p1', slots: 4, memoryMib: 100 });
  await node.createJob('j1', { memory_mib: 60 });
  await node.createJob('j2', { memory_mib: 60 });
  await node.createJob('j3', { memory_mib: 40 });
  await small.take('j1');
  await small.take('j3');
  t.notOk(small.hints.includes('j2'), 'it has not the room for it');
  t.match(
    await remarksOf(node, 'j2'),
    /2 of 4 slots of 1 pilot that offer wc are taken.*it needs 60 MiB of memory, and 0 are free/,
  );
  const large = await startPilot(t, node, { name: 'p2', slots: 1 });
  await large.take('j2');
});

t.test('what no pilot has ever offered fails after its time, and nothing else does', async (t) => {
  const node = await startWorkload(t, { config: { unknown_after_seconds: 1 } });
  const pilot = await startPilot(t, node);
  await node.createJob('j1', { executable: 'nothing' });
  await node.createJob('j2');
  await node.createJob('j3', { device_type: 'gpu' });
  await until('it has failed', async () =>
    (await node.eventsOf('j1')).some(({ type }) => type === 'JobFailed'),
  );
  t.match(await node.jobs.call('job_status', { id: 'j1' }), {
    ...{ state: 'failed', failure_class: 'executable_unknown' },
    remarks: 'no cpu pilot has ever offered nothing',
  });
  await pilot.take('j2');
  await until('the one of another device has, too', async () =>
    (await node.eventsOf('j3')).some(({ type }) => type === 'JobFailed'),
  );
  t.match(await node.jobs.call('job_retry', { id: 'j1', reason: 'mended' }), { state: 'created' });
});

t.test('nor does it wait an hour longer when the wall clock is set back by one', async (t) => {
  const clock = steppedClock();
  const node = await startWorkload(t, { clock, config: { unknown_after_seconds: 2 } });
  await node.createJob('j1', { executable: 'nothing' });
  clock.step(-3_600_000);
  await until('it has failed', async () =>
    (await node.eventsOf('j1')).some(({ type }) => type === 'JobFailed'),
  );
});

for (const [store, start] of Object.entries(ON_STORES))
  t.test(`on ${store} jobs are cancelled: at once where they wait, else when they have ended`, async (t) => {
    const node = await start(t);
    const pilot = await startPilot(t, node);
    for (const uid of ['j1', 'j2']) await node.createJob(uid);
    const grant = await pilot.take('j1');
    await pilot.started(grant);
    const order = { id: 'j2', reason: 'not needed', command_id: 'c-1' };
    t.match(await node.jobs.call('job_cancel', order), { state: 'cancelled', remarks: 'not needed' });
    t.match(await node.jobs.call('job_cancel', order), { state: 'cancelled' }, 'sent again');
    t.match(await node.jobs.call('job_cancel', { id: 'j1', reason: 'wrong' }), {
      ...{ state: 'cancelling', remarks: 'waits until pilot p1 has ended it' },
    });
    await until('its pilot is told', () => pilot.told.some(({ cancel }) => (cancel ?? null) !== null));
    const { job, claim_id } = grant;
    t.match(pilot.told.findLast(({ cancel }) => (cancel ?? null) !== null)?.cancel, {
      job,
      claim_id,
      grace_seconds: 10,
      reason: 'wrong',
    });
    t.match(await pilot.tell({ cancelled: { job, claim_id, processes_ended: 2 } }), { is_success: true });
    t.match(await node.jobs.call('job_status', { id: 'j1' }), { state: 'cancelled' });
    await t.rejects(node.jobs.call('job_retry', { id: 'j1' }), { kind: 'refused', message: /is cancelled/ });
    await t.rejects(node.jobs.call('job_status', { id: 'nobody' }), { message: /there is no job nobody/ });
    t.match(await node.jobs.call('job_files', { id: 'j1' }), {
      files: [
        { type: 'input', file_name: 'a.txt', dsm_file: 'f0', status: 'used' },
        { type: 'output', dsm_file: 'o0', status: 'discarded' },
        { type: 'log', dsm_file: 'l0', status: 'discarded', job_id: 1, file_in_id: 1, file_log_id: 3 },
      ],
    });
    t.match(await node.jobs.call('file_status', { file_id: 2 }), { file_id: 2, type: 'output', job_id: 1 });
    await t.rejects(node.jobs.call('file_status', { file_id: 99 }), { message: /no file 99 of a job/ });
    t.match(await node.jobs.call('file_list', { type: ['log'], newest_first: true, page_size: 1 }), {
      files: [{ file_id: 6, job_id: 2 }],
    });
  });

t.test('the log of a job comes live from its pilot, and later from the file', async (t) => {
  const node = await startWorkload(t);
  const out = join(node.data, '..');
  const url = pathToFileURL(join(out, 'out')).href;
  const pilot = await startPilot(t, node);
  await node.createJob('j1', { data_out_url: url });
  await t.rejects(node.jobs.call('job_log', { id: 'j1' }), { message: /has not been begun/ });
  const grant = await pilot.take('j1');
  const asked = node.jobs.call('job_log', { id: 'j1', offset: -5 });
  await until('its pilot is asked', () => pilot.told.some(({ read_log }) => (read_log ?? null) !== null));
  const request = pilot.told.flatMap(({ read_log }) => read_log ?? [])[0];
  t.match(request, { job: 'j1', attempt: 1, offset: -5, length: 1024 * 1024 });
  const piece = {
    request_id: request?.request_id ?? '',
    content: Buffer.from('live\n'),
    offset: 5,
    size: 10,
  };
  const other = await startPilot(t, node, { name: 'p2' });
  await other.tell({ log: { ...piece, content: Buffer.from('false') } });
  await pilot.tell({ log: piece });
  t.match(await asked, { content: Buffer.from('live\n'), offset: 5, size: 10, attempt: 1 });
  mkdirSync(join(out, 'out/j1'), { recursive: true });
  writeFileSync(join(out, 'out/j1/a.j0.a1.log'), '0123456789');
  await pilot.failed(grant, 'input_missing');
  pilot.close();
  await until('its stream has ended', async () => {
    const answer = await node.jobs.call('job_log', { id: 'j1', offset: 4, length: 3 }).catch(() => ({}));
    return Buffer.from('456').equals(Buffer.from(String(Reflect.get(answer, 'content'))));
  });
  t.match(await node.jobs.call('job_log', { id: 'j1', offset: -2 }), {
    ...{ content: Buffer.from('89'), offset: 8, size: 10, complete: true, attempt: 1 },
  });
  await t.rejects(node.jobs.call('job_log', { id: 'j1', attempt: 2 }), {
    message: /attempt: must be a whole number from 1 to 1/,
  });
});

t.test('the same is answered over HTTP', async (t) => {
  const node = await startWorkload(t);
  const out = join(node.data, '..', 'out');
  mkdirSync(join(out, 'j1'), { recursive: true });
  writeFileSync(join(out, 'j1/a.j0.a1.log'), 'printed\n');
  const pilot = await startPilot(t, node);
  await node.createJob('j1', { data_out_url: pathToFileURL(out).href });
  await pilot.failed(await pilot.take('j1'), 'input_missing', 'a.txt is not there');
  pilot.close();
  const get = async (path: string, headers?: Readonly<Record<string, string>>): Promise<unknown> =>
    JSON.parse(await node.get(`/api/v1/workload${path}`, headers));
  t.match(await get('/jobs/1'), { uid: 'j1', state: 'failed', remarks: 'a.txt is not there' });
  t.match(await get('/jobs?state=failed&page_size=1'), { jobs: [{ uid: 'j1' }] });
  t.match(await get('/jobs?state=reduced'), { status: 422, field: 'state' });
  t.match(await get('/jobs/7'), { status: 404, reason: 'job_not_found' });
  t.match(await get('/jobs/1/files'), { files: [{ type: 'input' }, { type: 'output' }, { type: 'log' }] });
  t.match(await get('/files/1'), { file_id: 1, type: 'input', job_id: 1 });
  t.match(await get('/pilots/p1'), { name: 'p1', status: 'active', executables: ['wc'] });
  t.match(await get('/pilots/9'), { status: 404, reason: 'pilot_not_found' });
  await until('its stream has ended, and the log is read', async () => {
    const log = await get('/jobs/1/log?offset=-8', { accept: 'application/json' });
    return Reflect.get(Object(log), 'content') === Buffer.from('printed\n').toString('base64');
  });
  t.match(JSON.parse(await node.get('/openapi.json')), { openapi: /^3/ });
});

t.test('pilots are listed, drained, given work again and retired', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node, { slots: 2 });
  await node.createJob('j1');
  const grant = await pilot.take('j1');
  await pilot.tell({ sample: { slots_used: 1, load: Number.NaN, rss: 5, jobs_done: 3, jobs: [grant] } });
  t.match(await node.pilots.call('pilot_status', { id: '1' }), {
    ...{ pilot_id: 1, name: 'p1', status: 'active', slots: 2, slots_used: 1, executables: ['wc'] },
    ...{ jobs_done: 3, metrics: /^{"time":[0-9.]+,"slots_used":1,"jobs_done":3,"jobs_failed":0,"rss":5/ },
  });
  t.match(node.log.messages('warn'), [/fields of a sample can not be true/]);
  const order = { id: 'p1', reason: 'new disks', command_id: 'c-1' };
  t.match(await node.pilots.call('pilot_drain', order), {
    ...{ status: 'draining', remarks: 'is given nothing new; 1 jobs are to end' },
  });
  await until('it is told', () => pilot.told.some(({ drain }) => drain === true));
  await node.createJob('j2');
  t.match(await pilot.claim('j2'), { is_success: false, reason: 'held' });
  t.match(await remarksOf(node, 'j2'), 'no cpu pilot that takes work offers wc: p1 is draining');
  t.match(await pilot.finished(grant), { is_success: true });
  t.match(await node.pilots.call('pilot_undrain', { id: 'p1' }), { status: 'active' });
  await pilot.take('j2');
  t.match(await node.pilots.call('pilot_retire', { id: 'p1' }), { status: 'retired' });
  t.match(await node.pilots.call('pilot_list'), { pilots: undefined });
  t.match(await node.pilots.call('pilot_list', { all: true }), {
    pilots: [{ name: 'p1', status: 'retired' }],
  });
  await t.rejects(node.pilots.call('pilot_drain', { id: 'p1' }), { kind: 'refused', message: /is retired/ });
  await t.rejects(node.pilots.call('pilot_drain', { id: 'px' }), { message: /no pilot px; there are p1/ });
  await startPilot(t, node, { name: 'p1' });
  t.match(await node.pilots.call('pilot_list'), { pilots: [{ name: 'p1', status: 'active', pilot_id: 1 }] });
});

t.test('pilots come in pages where one is asked for, and all at once where not', async (t) => {
  const node = await startWorkload(t);
  for (const name of ['p1', 'p2', 'p3', 'p4', 'p5']) await startPilot(t, node, { name });
  await node.pilots.call('pilot_retire', { id: 'p2' });
  const ask = async (query: string) => {
    const { status, body } = await node.http('GET', `/pilots${query}`);
    const { pilots = [], next_page_token: next = '' } = PilotPage.parse(body);
    return { status, names: pilots.map(({ name }) => name), next };
  };
  t.match(await ask(''), { names: ['p1', 'p3', 'p4', 'p5'], next: '' });
  const first = await ask('?page_size=2');
  t.same(first.names, ['p1', 'p3']);
  const on = `page_token=${encodeURIComponent(first.next)}`;
  t.match(await ask(`?page_size=2&${on}`), { names: ['p4', 'p5'], next: '' });
  t.match(await ask(`?${on}`), { names: ['p4', 'p5'], next: '' }, 'a token alone asks for a page');
  t.match(await ask(`?all=true&${on}`), { status: 422 }, 'the token of another query');
  const newest = await ask('?all=true&newest_first=true&page_size=4');
  t.same(newest.names, ['p5', 'p4', 'p3', 'p2']);
  t.match(await ask('?status=retired&page_size=1'), { names: ['p2'], next: '' });
  for (const size of ['1001', '-1', 'x']) t.match(await ask(`?page_size=${size}`), { status: 422 });
});
