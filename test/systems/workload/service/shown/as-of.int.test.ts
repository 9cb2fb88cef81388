/** Each entity as it was at any time of its history: its own events up to then, and nothing of later ones. */

import t, { type Test } from 'tap';
import { z } from 'zod';
import { until } from '../../../../support/until.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES, type WorkloadNode } from '../../support/workload-node.js';

const Event = z.object({ time: z.number(), revision: z.number().default(0), type: z.string() });
const Shown = z.looseObject({ revision: z.number().default(0) });

async function historyOf(node: WorkloadNode, path: string) {
  const { text } = await node.http('GET', `${path}/history`, { headers: { accept: 'application/x-ndjson' } });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Event.parse(JSON.parse(line)));
}

/** At the time of each event, with the revision that was the newest then: several may have the same time. */
async function replayed(t: Test, node: WorkloadNode, path: string) {
  const events = await historyOf(node, path);
  const shown: Record<string, unknown>[] = [];
  for (const [i, { time, type }] of events.entries()) {
    const later = events.findIndex((event) => event.time > time);
    const newest = events.at(later === -1 ? -1 : later - 1)?.revision ?? 0;
    const { status, body } = await node.http('GET', `${path}?as_of=${time}`);
    t.match(
      { status, revision: Shown.parse(body).revision },
      { status: 200, revision: newest },
      `${i} ${type}`,
    );
    shown.push(Shown.parse(body));
  }
  const before = (events[0]?.time ?? 1) - 1;
  t.match(await node.http('GET', `${path}?as_of=${before}`), { status: 404, body: { kind: 'not_found' } });
  const { body: now } = await node.http('GET', path);
  const { body: then } = await node.http('GET', `${path}?as_of=${(events.at(-1)?.time ?? 0) + 1}`);
  return { now: Shown.parse(now), last: Shown.parse(then), shown };
}

for (const [name, start] of Object.entries(ON_STORES))
  t.test(`as it was, on ${name}`, async (t) => {
    const node = await start(t);
    const { http } = node;
    const post = (path: string, body: object = {}) => http('POST', path, { body });
    await post('/datasets', { name: 'in', storage_url: 'file:///in' });
    const { body } = await http('GET', '/datasets/in');
    const { uid } = z.object({ uid: z.string() }).parse(body);
    await post(`/datasets/${uid}/files`, { files: [{ file_name: 'a.txt' }] });
    const order = { executable: 'wc', device_type: 'cpu', mode: 'map', data_in_uid: uid };
    await post('/tasks', { ...order, data_out_url: 'file:///out', retries: 0 });
    await until('its job is there', async () => (await http('GET', '/jobs/1')).status === 200);
    const { uid: job } = z.object({ uid: z.string() }).parse((await http('GET', '/jobs/1')).body);
    await post('/tasks/1/hold', { reason: 'maintenance' });
    await post('/tasks/1/release');
    const pilot = await startPilot(t, node);
    await pilot.failed(await pilot.take(job), 'args_invalid', 'no such option');
    await until('it has failed', async () => Object((await http('GET', '/jobs/1')).body).state === 'failed');
    await post(`/datasets/${uid}/close`);
    await post('/pilots/p1/drain', { reason: 'new disks' });

    const task = await replayed(t, node, '/tasks/1');
    t.match(task.shown[0], { task_id: 1, state: 'registered', held: false, rank: 0, executable: 'wc' });
    t.match(task.last, { revision: task.now.revision, state: task.now['state'], task_id: 1 });
    t.equal(task.last['jobs_total'], 0, 'what it counts of its jobs is left out');

    const ofJob = await replayed(t, node, '/jobs/1');
    t.match(ofJob.shown[0], { uid: job, task_id: 1, job_id: 1, attempt: 0 });
    t.same(ofJob.last, ofJob.now, 'nothing of a job that has ended comes from elsewhere');
    t.match(ofJob.now, {
      remarks: 'no such option',
      failure_class: 'args_invalid',
      pilot_id: 1,
      file_out_id: 2,
    });

    const dataset = await replayed(t, node, '/datasets/in');
    t.match(dataset.last, { ...{ dataset_id: 1, name: 'in', files: 1 }, status: dataset.now['status'] });
    const drained = await replayed(t, node, '/pilots/p1');
    t.match(drained.shown[0], { status: 'active', pilot_id: 1, executables: ['wc'] });
    t.match(drained.last, { status: 'draining', remarks: 'new disks' });

    for (const asked of ['yesterday', '-1'])
      t.match(await http('GET', `/tasks/1?as_of=${asked}`), { status: 422, body: { field: 'as_of' } }, asked);
    t.match(await http('GET', '/tasks/1/jobs?state=failed'), { body: { jobs: [{ uid: job }] } });
    t.match(await http('GET', '/tasks/9/jobs'), { status: 404, body: { reason: 'task_not_found' } });
  });
