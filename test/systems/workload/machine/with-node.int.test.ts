/** Pilots as processes with a real node: what the event log says once they were killed and lied to. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../../support/until.js';
import { kill } from '../support/pilot-world.js';
import { FILES, pilotsWithNode as started } from '../support/pilots-with-node.js';

t.test(
  'a pilot that is killed twice costs nothing: each job is claimed once, starts once and finishes',
  async (t) => {
    const { storage, pilot, submit, jobsOf, typesOf, ended } = await started(t);
    let running = await pilot();
    const task = await submit('wait');
    const starts = () => readdirSync(storage).filter((name) => name.startsWith('starts-'));
    await until('three run', () => starts().length === 3);
    await kill(running);
    running = await pilot();
    for (const name of starts()) writeFileSync(join(storage, 'in', name.replace('starts-', 'go-')), '');
    await until('the others run', () => starts().length === FILES);
    await kill(running);
    for (const name of starts()) writeFileSync(join(storage, 'in', name.replace('starts-', 'go-')), '');
    await pilot();
    t.match(await ended(task), { state: 'finished', jobs_finished: FILES });
    for (const { uid, losses = 0, attempt } of await jobsOf(task)) {
      const types = await typesOf(uid);
      for (const type of ['JobClaimed', 'JobStarted', 'JobFinished'])
        t.equal(types.filter((one) => one === type).length, 1, `${type} once`);
      t.same([losses, attempt], [0, 1]);
      t.equal(readFileSync(join(storage, `starts-${uid}`), 'utf8'), 'x\n', 'its program began once');
    }
    t.equal(readdirSync(join(storage, 'out', task)).length, 2 * FILES, 'an output and a log of each');
  },
);

t.test('an input that was changed fails its job for good, no other, and is known as corrupt', async (t) => {
  const { client, storage, pilot, submit, jobsOf, ended } = await started(t);
  writeFileSync(join(storage, 'in', 'f3'), 'X\n');
  await pilot();
  const task = await submit('upper');
  t.match(await ended(task), { state: 'failed', jobs_failed: 1, jobs_finished: FILES - 1 });
  const failed = (await jobsOf(task)).filter(({ state }) => state === 'failed');
  t.match(failed, [{ failure_class: 'input_checksum', cur_retry: 0, attempt: 1 }]);
  await until('the file is known as corrupt', async () => {
    const { data_in_uid: uid = '' } = await client.task({ id: task });
    for await (const files of client.files({ uid, status: ['corrupt'] }))
      if (files.some(({ file_name }) => file_name === 'f3')) return true;
    return false;
  });
});
