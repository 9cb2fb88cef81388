/** What grants say of where outputs go: which directory was seen, by a pilot that stored something there, or by this node. */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import type { Clock } from '../../../../../src/base/clock.js';
import { SeenFiles } from '../../../../../src/systems/workload/service/pilots/seen-files.js';
import { SeenPlaces } from '../../../../../src/systems/workload/service/pilots/seen-places.js';
import { until } from '../../../../support/until.js';
import { wakingClock } from '../../../../support/waking-clock.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { startWorkload } from '../../support/workload-node.js';
import { embedded, endJobs, inputOf, submit, taskNode, untilJobs } from '../tasks/task-world.js';

const UNSEEN = 'file:///proc/nowhere/out';

t.test('a grant tells what this node sees, and what pilots have stored below', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node, { slots: 9 });
  const seenFor = async (job: string, url: string) => {
    await node.createJob(job, { data_out_url: url });
    return await pilot.take(job);
  };
  const first = await seenFor('j1', UNSEEN);
  t.equal(first.data_out_seen ?? '', '', 'nobody has seen it');
  t.match(await pilot.finished(first), { is_success: true });
  t.equal((await seenFor('j2', UNSEEN)).data_out_seen, UNSEEN);
  const here = join(node.data, '..', 'here');
  mkdirSync(here, { recursive: true });
  t.equal((await seenFor('j3', pathToFileURL(here).href)).data_out_seen, pathToFileURL(here).href);
});

t.test('what tasks have stored before is known after a restart', async (t) => {
  const node = await taskNode(t, await embedded(t));
  const task = await submit(node, await inputOf(node, 2), { data_out_url: UNSEEN });
  await untilJobs(node, task, 2);
  const places = () => new SeenPlaces(node.context, new SeenFiles(node.context.clock));
  const [ofTask, ofOther] = [
    { task, dataOutUrl: UNSEEN },
    { task: 'another', dataOutUrl: UNSEEN },
  ];
  t.equal(await places().of(ofTask), undefined, 'files that are to be written say nothing');
  await endJobs(node, (seq) => (seq === 0 ? 'finished' : 'left'));
  await until('an output is there', async () => {
    const sql = "SELECT 1 FROM dsm_datasets WHERE produces = 'output' AND files_available = 1";
    return (await node.rows(sql)).length === 1;
  });
  t.equal(await places().of(ofTask), `${UNSEEN}/${task}`);
  t.equal(await places().of(ofOther), UNSEEN);
  t.equal(await places().of({ ...ofOther, dataOutUrl: 'file:///in' }), undefined, 'registered is not seen');
});

t.test('what is not known is looked for once a minute, and what is known is not', async (t) => {
  const { context } = await taskNode(t, await embedded(t));
  let now = 0;
  const clock: Clock = { ...wakingClock, monotonic: () => now };
  const db = {
    ...context.db,
    prepare: (sql: string) => {
      looks += 1;
      return context.db.prepare(sql);
    },
  };
  let looks = 0;
  const places = new SeenPlaces({ db, clock }, new SeenFiles(clock));
  const here = join(t.testdirName, 'out');
  const job = { task: undefined, dataOutUrl: pathToFileURL(here).href };
  for (const _ of [1, 2, 3]) t.equal(await places.of(job), undefined);
  mkdirSync(here);
  now = 59_000;
  t.equal(await places.of(job), undefined);
  t.equal(looks, 1);
  now = 61_000;
  t.equal(await places.of(job), job.dataOutUrl);
  rmSync(here, { recursive: true });
  now = 600_000;
  t.equal(await places.of(job), job.dataOutUrl);
  t.equal(looks, 2);
});
