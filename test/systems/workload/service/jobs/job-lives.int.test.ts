/** Jobs on pilots that are none: from created to finished over a real node, on each store. */

import t from 'tap';
import { until } from '../../../../support/until.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES } from '../../support/workload-node.js';

for (const [store, start] of Object.entries(ON_STORES)) {
  t.test(`on ${store} a job is queued, hinted, granted, started and finished`, async (t) => {
    const node = await start(t);
    await node.createJob('j1', { rank: 1 });
    await node.createJob('j2', { rank: 5 });
    const pilot = await startPilot(t, node);
    await until('there is a hint', () => pilot.hints.length > 0);
    t.strictSame(pilot.hints, ['j2'], 'one for its one slot, of the larger rank');
    const grant = await pilot.take('j2');
    t.match(grant, {
      ...{ job: 'j2', attempt: 1, executable: 'wc', mode: 'map', device_type: 'cpu', inputs_total: 1 },
      inputs: [{ uid: 'f0', idx: 0, file_name: 'a.txt', path: 'a.txt', size: 5 }],
      ...{ outputs: [{ uid: 'o0', file_name: 'a.j0.txt' }], log: { uid: 'l0' } },
      data_out_url: 'file:///proc/nowhere/out',
    });
    t.match(await pilot.started(grant), { is_success: true });
    t.match(await node.jobs.call('job_status', { id: 'j2' }), {
      ...{ uid: 'j2', state: 'running', pilot: 'p1', pilot_id: 1, attempt: 1, claim_id: grant.claim_id },
    });
    t.match(await pilot.finished(grant), { is_success: true });
    await pilot.take('j1');
    t.match(await node.jobs.call('job_status', { id: '2' }), { uid: 'j2', state: 'finished', exit_code: 0 });
    t.match(await node.jobs.call('job_list', { state: ['staging'] }), { jobs: [{ uid: 'j1' }] });
    const types = (await node.eventsOf('j2')).map(({ type }) => type);
    t.strictSame(types, ['JobCreated', 'JobQueued', 'JobClaimed', 'JobStarted', 'JobFinished']);
  });
}
