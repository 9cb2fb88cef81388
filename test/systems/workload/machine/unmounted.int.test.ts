/** Outputs that would go below a mount point where nothing is mounted: on a directory that was seen before, and on one that was not. */

import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../../support/until.js';
import { kill, TASK_UID, waitingJob, world } from '../support/pilot-world.js';

const UNIT = 'storage_unavailable';
const MADE = /directory for outputs is made that nobody/;

t.test(
  'a directory that was seen before and is not there is not made: the pilot fails, and rests',
  async (t) => {
    const { node, order, input, pilot, storage, log } = await world(t);
    const running = await pilot({ slots: 1 });
    const seen = {
      ...{ inputs: [input('a', 'a')], inputs_total: 1 },
      data_out_seen: `file://${storage}/out`,
    };
    for (const job of ['j1', 'j2', 'j3']) {
      node.offer(order(job, seen));
      const { failed } = await node.outcome(job);
      t.match(failed, { failure_class: UNIT, detail: /storage\/out is not there now; is it mounted\?/ });
    }
    t.notOk(existsSync(join(storage, 'out')), 'nothing was made');
    await until('it rests', () => node.resting.some((reason) => /3 times in a row/.test(reason ?? '')));
    await running.stop();
    mkdirSync(join(storage, 'out'));
    await pilot();
    node.offer(order('j4', { ...seen, data_out_seen: `file://${storage}/out/${TASK_UID}` }));
    const { failed } = await node.outcome('j4');
    t.match(
      failed,
      { failure_class: UNIT, detail: /is not there now/ },
      'the directory of its task counts too',
    );
    node.offer(order('j5', seen));
    t.match(await node.outcome('j5'), { finished: {} }, 'what was made, or mounted, is taken');
    t.notOk(log.messages('info').some((line) => MADE.test(line)));
  },
);

t.test('it is waited for, as for every storage that is away', async (t) => {
  const { node, order, input, pilot, storage, log } = await world(t);
  await pilot({}, { storagePatienceMs: 60_000 });
  const out = join(storage, 'out');
  node.offer(
    order('j', { inputs: [input('a', 'a')], inputs_total: 1, data_out_seen: `file://${storage}/out` }),
  );
  await until('it was noticed', () => log.messages('warn').some((line) => /storage is away/.test(line)));
  t.notOk(existsSync(out));
  mkdirSync(out);
  t.match(await node.outcome('j'), { finished: {} });
});

t.test('one that nobody has seen is made, and told in the log, once', async (t) => {
  const { node, order, input, pilot, stored, log } = await world(t);
  await pilot();
  const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
  for (const job of ['j1', 'j2']) {
    node.offer(order(job, { ...inputs, task: job }));
    t.match(await node.outcome(job), { finished: {} });
  }
  t.equal(log.messages('info').filter((line) => MADE.test(line)).length, 1);
  t.ok(stored()['j2/out.a1.txt']);
});

t.test(
  'one that this pilot has found before was removed, if its disk is there: it is made again',
  async (t) => {
    const { node, order, input, pilot, storage, stored } = await world(t);
    await pilot();
    const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
    node.offer(order('j1', inputs));
    await node.outcome('j1');
    rmSync(join(storage, 'out'), { recursive: true });
    // What it looked at a moment ago it does not look at again before it writes there.
    node.offer(order('j2', { ...inputs, task: 'k', data_out_seen: `file://${storage}/out` }));
    t.match(await node.outcome('j2'), { finished: {} });
    t.same(Object.keys(stored()).sort(), ['k/log.a1.txt', 'k/out.a1.txt']);
  },
);

t.test('what an attempt has found when it began is not made by the pilot that adopts it', async (t) => {
  const here = await world(t);
  const first = await here.pilotProcess();
  const job = waitingJob(here, 'j');
  here.node.offer(job.order);
  await until('it runs', () => here.node.of('j').some(({ started }) => started));
  await kill(first);
  const out = join(here.storage, 'out');
  renameSync(out, `${out}.away`);
  await here.pilotProcess();
  await until('it was adopted', () => here.node.of('j').filter(({ started }) => started).length === 2);
  job.go();
  const { failed } = await here.node.outcome('j');
  t.match(failed, { failure_class: UNIT, detail: /is not there now/ });
  t.notOk(existsSync(out));
});
