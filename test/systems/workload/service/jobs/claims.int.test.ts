/** What is told of a job counts under its living claim alone, and only when it can be true. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { until } from '../../../../support/until.js';
import { type Granted, startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES, startWorkload } from '../../support/workload-node.js';

for (const [store, start] of Object.entries(ON_STORES)) {
  t.test(`on ${store} what is told under a claim that counts no more changes nothing`, async (t) => {
    const node = await start(t);
    const pilot = await startPilot(t, node);
    await node.createJob('j1');
    const grant = await pilot.take('j1');
    const stale = { is_success: false, reason: 'stale_claim' };
    const other: Granted = { ...grant, claim_id: 'of-yesterday' };
    t.match(await pilot.started(other), stale);
    t.match(await pilot.finished(other), stale);
    t.match(await pilot.failed(other, 'payload_exit'), stale);
    const thief = await startPilot(t, node, { name: 'p2' });
    t.match(await thief.failed(grant, 'payload_exit'), { ...stale, msg: /granted to pilot p1, not to p2/ });
    t.match(await pilot.started(grant), { is_success: true });
    t.match(await pilot.started(grant), { is_success: true }, 'told again');
    t.match(await pilot.finished(grant), { is_success: true });
    t.match(await pilot.finished(grant), { is_success: true }, 'told again');
    t.match(await pilot.failed(grant, 'payload_exit'), stale, 'it has finished');
    const types = (await node.eventsOf('j1')).map(({ type }) => type);
    t.strictSame(types, ['JobCreated', 'JobQueued', 'JobClaimed', 'JobStarted', 'JobFinished']);
  });
}

t.test('a claim that may not be granted is refused with a reason, and stores nothing', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node, { executables: ['wc'] });
  const gpu = await startPilot(t, node, { name: 'g1', device: 'gpu' });
  await node.createJob('j1');
  await until('it is queued', () => pilot.hints.length > 0);
  const refused = (reason: string) => ({ is_success: false, reason });
  t.match(await pilot.claim('nobody'), refused('unknown'));
  t.match(await gpu.claim('j1'), { ...refused('stale'), msg: /is for a cpu, and the pilot has a gpu/ });
  t.match(await pilot.claim('j1', 3), { ...refused('stale'), msg: /is at retry 0, not 3/ });
  const claim = { command_id: 'c', claim: { job: 'j1' } };
  t.match(await pilot.tell(claim, { session: 'of-another' }), refused('stale'));
  t.match(await pilot.tell(claim, { pilot: 'of-nobody' }), refused('stale'));
  t.match(await pilot.tell({ claim: { job: 'j1' } }), {
    ...refused('invalid'),
    msg: /command_id: is missing/,
  });
  t.match(await pilot.tell({}), { ...refused('invalid'), msg: /must hold one of claim, started/ });
  const types = (await node.eventsOf('j1')).map(({ type }) => type);
  t.strictSame(types, ['JobCreated', 'JobQueued']);
});

t.test('an end that can not be true is refused with its field', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node);
  await node.createJob('j1');
  const grant = await pilot.take('j1');
  const file = { uid: 'o0', file_name: 'a.j0.txt', path: 'j1/a', size: 1, check_sum: 'a'.repeat(32) };
  const whole = { ...file, sha256: '1'.repeat(64) };
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ outputs: [{ ...whole, path: 'other/a' }] }, /outputs.0.path: must be a path below j1\//],
    [{ outputs: [{ ...whole, path: 'j1/../other/a' }] }, /outputs.0.path: must be a path below j1\//],
    [{ outputs: [{ ...whole, size: -1 }] }, /outputs.0.size: must be a whole number/],
    [{ outputs: [{ ...whole, check_sum: 'g' }] }, /outputs.0.check_sum: must be an MD5/],
    [{ outputs: [file] }, /outputs.0.sha256: is missing/],
    [{ outputs: [whole, { ...whole, uid: 'o9' }] }, /hold o9, which was not ordered/],
    [{ outputs: [whole], log: undefined }, /finished.log.uid: must be l0/],
    [{ exit_code: 3 }, /exit_code: must be 0: a payload that ended otherwise has failed/],
  ];
  for (const [more, message] of wrong)
    t.match(await pilot.finished(grant, more), { is_success: false, reason: 'invalid', msg: message });
  t.match(await pilot.finished(grant, { outputs: [] }), { is_success: true });
  const last = (await node.eventsOf('j1')).at(-1);
  t.match(last, { type: 'JobAttemptFailed', data: { class: 'output_missing', detail: /a\.j0\.txt/ } });
});

t.test('an end with another size than the file has is refused, where the node sees the file', async (t) => {
  const node = await startWorkload(t);
  const out = join(node.data, '..', 'out');
  mkdirSync(join(out, 'j1'), { recursive: true });
  writeFileSync(join(out, 'j1/a.j0.a1.txt'), '123');
  const pilot = await startPilot(t, node);
  await node.createJob('j1', { data_out_url: pathToFileURL(out).href });
  const grant = await pilot.take('j1');
  t.match(await pilot.finished(grant), {
    ...{ is_success: false, reason: 'size_mismatch', msg: 'j1/a.j0.a1.txt holds 3 bytes, not 4' },
  });
  writeFileSync(join(out, 'j1/a.j0.a1.txt'), '1234');
  t.match(await pilot.finished(grant), { is_success: true });
});

t.test('the log of a job that failed is there; one that can not be true is left out', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node);
  const failWith = async (uid: string, more: object) => {
    await node.createJob(uid);
    const grant = await pilot.take(uid);
    const { job, claim_id } = grant;
    const log = { ...pilot.finishedMessage(grant).log, ...more };
    const failed = { job, claim_id, failure_class: 'input_missing', detail: 'no', log };
    t.match(await pilot.tell({ failed }), { is_success: true }, 'it counts all the same');
    const { files } = Object(await node.jobs.call('job_files', { id: uid }));
    t.match(files, [{ type: 'input' }, { type: 'output', status: 'failed' }, { type: 'log' }]);
    return files[2];
  };
  const told = { path: 'j1/a.j0.a1.log', check_sum: 'b026324c-6904-b2a9-cb4b-88d6d61c81d1' };
  t.match(await failWith('j1', {}), { status: 'available', ...told, size: 4 });
  t.match((await node.eventsOf('j1')).at(-1), {
    type: 'JobFailed',
    data: { attempt: 1, log: { uid: 'l0', ...told, size: '4', sha256: '4'.repeat(64) } },
  });
  const wrong = [
    { path: 'j1/x.log' },
    { path: 'j2/../j1/x' },
    { size: -1 },
    { check_sum: 'a' },
    { sha256: '' },
  ];
  for (const [i, more] of [...wrong, { uid: 'o0' }].entries())
    t.match(await failWith(`k${i}`, more), { status: 'failed', check_sum: undefined });
  const leftOut = node.log
    .messages('warn')
    .filter((line) => /^the log of a failed job is left out/.test(line));
  t.equal(leftOut.length, wrong.length + 1);
  await node.jobs.call('job_retry', { id: 'j1', reason: 'mended' });
  t.match(await node.jobs.call('job_files', { id: 'j1' }), {
    files: [{ type: 'input' }, { status: 'declared' }, { status: 'declared', path: undefined }],
  });
});

t.test('an input that is not what it was is told with what was found', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node);
  await node.createJob('j1');
  const { job, claim_id } = await pilot.take('j1');
  const found = { found_size: 3, found_check_sum: 'A'.repeat(32) };
  const failed = { job, claim_id, failure_class: 'input_checksum', detail: 'another one', ...found };
  t.match(await pilot.tell({ failed: { ...failed, file: 'f9' } }), {
    ...{ is_success: false, msg: /failed.file: must be the uid of an input of the job/ },
  });
  t.match(await pilot.tell({ failed: { ...failed, file: 'f0' } }), { is_success: true });
  t.match((await node.eventsOf('j1')).at(-1), {
    type: 'JobFailed',
    data: { file: 'f0', found_size: '3', found_check_sum: 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' },
  });
  t.match(await node.jobs.call('job_files', { id: 'j1' }), { files: [{ type: 'input', status: 'corrupt' }] });
});
