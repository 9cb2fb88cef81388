/** What pilots tell of files, beside what this node sees of them: outputs that nobody has, and inputs that one pilot alone misses. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { registerDataset } from '../../../../../src/systems/workload/service/datasets/dataset-commands.js';
import { dataset } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { steppedClock } from '../../support/stepped-clock.js';
import { type Granted, type SyntheticPilot, startPilot } from '../../support/synthetic-pilot.js';
import { startWorkload } from '../../support/workload-node.js';

const UNIT = 'storage_unavailable';

t.test('an output that this node sees is not there is refused', async (t) => {
  const node = await startWorkload(t);
  const out = join(node.data, '..', 'out');
  mkdirSync(out, { recursive: true });
  const pilot = await startPilot(t, node);
  await node.createJob('j1', { data_out_url: pathToFileURL(out).href });
  const grant = await pilot.take('j1');
  const refused = { is_success: false, reason: 'output_not_there', msg: /j1\/a\.j0\.a1\.txt is not there/ };
  t.match(await pilot.finished(grant), refused, 'nothing is in the storage');
  mkdirSync(join(out, 'j1', 'a.j0.a1.txt'), { recursive: true });
  t.match(await pilot.finished(grant), refused, 'a directory is no file');
  rmSync(join(out, 'j1', 'a.j0.a1.txt'), { recursive: true });
  const told = pilot.finished(grant);
  writeFileSync(join(out, 'j1', 'a.j0.a1.txt'), '1234');
  t.match(await told, { is_success: true }, 'what comes to be seen within a second is there');
  const types = (await node.eventsOf('j1')).map(({ type }) => type);
  t.strictSame(types, ['JobCreated', 'JobQueued', 'JobClaimed', 'JobFinished']);
});

t.test('storage that this node does not see is the word of its pilot', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node);
  await node.createJob('j1', { data_out_url: pathToFileURL(join(node.data, '..', 'none')).href });
  t.match(await pilot.finished(await pilot.take('j1')), { is_success: true });
});

t.test(
  'an output is called by its attempt: the file of another job, or of another attempt, is none',
  async (t) => {
    const node = await startWorkload(t);
    const pilot = await startPilot(t, node);
    await node.createJob('j1');
    const grant = await pilot.take('j1');
    const whole = pilot.finishedMessage(grant);
    const [output] = whole.outputs ?? [];
    for (const path of ['j1/b.j1.a1.txt', 'j1/a.j0.a2.txt', 'j1/a.j0.txt', 'j1/sub/a.j0.a1.txt'])
      t.match(await pilot.finished(grant, { outputs: [{ ...output, path }] }), {
        ...{ is_success: false, reason: 'invalid', msg: /outputs\.0\.path: must be j1\/a\.j0\.a1\.txt/ },
      });
    t.match(await pilot.finished(grant, { log: { ...whole.log, path: 'j1/a.j1.a1.log' } }), {
      ...{ is_success: false, msg: /finished\.log\.path: must be j1\/a\.j0\.a1\.log/ },
    });
    t.match(await pilot.finished(grant), { is_success: true });
  },
);

async function withInput(t: Test, directory: (data: string) => string) {
  const clock = steppedClock();
  const node = await startWorkload(t, { clock });
  const storage = directory(node.data);
  await node.context.runtime.system.execute(dataset, 'd0', {
    decide: registerDataset({ name: 'in', storage_url: pathToFileURL(storage).href }),
  });
  const missing = ({ job, claim_id }: Granted, more = {}) => ({
    failed: { job, claim_id, failure_class: 'input_missing', detail: 'ENOENT', file: 'f0', ...more },
  });
  const take = async (pilot: SyntheticPilot, uid: string) => {
    await node.createJob(uid);
    return await pilot.take(uid);
  };
  const last = async (uid: string) => (await node.eventsOf(uid)).at(-1);
  const put = (content: string) => {
    mkdirSync(dirname(join(storage, 'a.txt')), { recursive: true });
    writeFileSync(join(storage, 'a.txt'), content);
  };
  return { node, storage, missing, take, last, put };
}

t.test(
  'an input that this node sees as it was registered is a loss of the pilot that does not',
  async (t) => {
    const { node, storage, missing, take, last, put } = await withInput(t, (data) => join(data, '..', 'in'));
    const pilot = await startPilot(t, node, { slots: 9 });
    put('12345');
    const seen = { is_success: true, reason: UNIT, msg: /^ENOENT \(this node sees it as it was/ };
    t.match(await pilot.tell(missing(await take(pilot, 'j1'))), seen);
    t.match(await last('j1'), { type: 'JobAttemptFailed', data: { class: UNIT, losses: 1, cur_retry: 0 } });
    const size = { failure_class: 'input_checksum', found_size: 9 };
    t.match(await pilot.tell(missing(await take(pilot, 'j2'), size)), seen);
    const sum = { failure_class: 'input_checksum', found_size: 5, found_check_sum: 'a'.repeat(32) };
    t.match(await pilot.tell(missing(await take(pilot, 'j3'), sum)), { is_success: true });
    t.match(await last('j3'), { type: 'JobFailed', data: { class: 'input_checksum', found_size: '5' } });
    put('123');
    t.match(await pilot.tell(missing(await take(pilot, 'j4'))), { reason: 'input_checksum' });
    t.match(await last('j4'), { type: 'JobFailed', data: { class: 'input_checksum', found_size: '3' } });
    rmSync(join(storage, 'a.txt'));
    t.match(await pilot.tell(missing(await take(pilot, 'j5'))), { is_success: true, reason: undefined });
    t.match(await last('j5'), { type: 'JobFailed', data: { class: 'input_missing', file: 'f0' } });
  },
);

t.test('where this node does not see the storage, an input is missing when two pilots say so', async (t) => {
  const { node, missing, take, last } = await withInput(t, (data) => join(data, '..', 'none'));
  const one = await startPilot(t, node, { slots: 9 });
  const loss = { is_success: true, reason: UNIT, msg: /pilot p1 alone has looked/ };
  for (const uid of ['j1', 'j2']) t.match(await one.tell(missing(await take(one, uid))), loss, uid);
  t.match(await last('j2'), { type: 'JobAttemptFailed', data: { class: UNIT } });
  await one.leave();
  const two = await startPilot(t, node, { name: 'p2', slots: 9 });
  t.match(await two.tell(missing(await take(two, 'j3'))), { is_success: true, reason: undefined });
  t.match(await last('j3'), { type: 'JobFailed', data: { class: 'input_missing', file: 'f0' } });
});
