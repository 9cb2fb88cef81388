/** Outputs that would go below a mount point where nothing is mounted: on a directory that was seen before, and on one that was not. */

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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

t.test('one that a pilot has found before was removed, if its disk is there: it is made again', async (t) => {
  const { node, order, input, pilot, storage, stored } = await world(t);
  const first = await pilot();
  const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
  const seen = { ...inputs, data_out_seen: `file://${storage}/out` };
  node.offer(order('j1', inputs));
  await node.outcome('j1');
  rmSync(join(storage, 'out'), { recursive: true });
  node.offer(order('j2', { ...seen, task: 'k' }));
  t.match(await node.outcome('j2'), { finished: {} });
  t.same(Object.keys(stored()).sort(), ['k/log.a1.txt', 'k/out.a1.txt']);
  rmSync(join(storage, 'out'), { recursive: true });
  await first.stop();
  await pilot();
  node.offer(order('j3', { ...seen, task: 'l' }));
  t.match(await node.outcome('j3'), { finished: {} }, 'the pilot that follows it knows that, too');
});

t.test(
  'one whose disk is gone is not, also a boot later, until somebody says that it is well so',
  async (t) => {
    const { node, order, input, pilot, storage, directory } = await world(t);
    const out = join(storage, 'out');
    mkdirSync(directory.path, { recursive: true });
    const disk = { path: out, file_system: 1, mount_point: out };
    writeFileSync(directory.places, JSON.stringify({ boot_id: 'before', places: [disk] }));
    await pilot();
    mkdirSync(out);
    const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
    for (const [job, seen] of [
      ['j1', {}],
      ['j2', { data_out_seen: `file://${out}` }],
    ] as const) {
      node.offer(order(job, { ...inputs, ...seen }));
      t.match((await node.outcome(job)).failed, {
        ...{ failure_class: UNIT, detail: /another file system.*or remove .*places\.json/ },
      });
      t.same(readdirSync(out), [], 'the mount point is there, and nothing was stored below it');
    }
    rmSync(directory.places);
    node.offer(order('j3', inputs));
    t.match(await node.outcome('j3'), { finished: {} });
  },
);

t.test('what is gone at the end of an attempt, with its disk there, is made again', async (t) => {
  const here = await world(t);
  const first = await here.pilotProcess();
  const job = waitingJob(here, 'j');
  here.node.offer(job.order);
  await until('it runs', () => here.node.of('j').some(({ started }) => started));
  await kill(first);
  rmSync(join(here.storage, 'out'), { recursive: true });
  await here.pilotProcess();
  await until('it was adopted', () => here.node.of('j').filter(({ started }) => started).length === 2);
  job.go();
  t.match(await here.node.outcome('j'), { finished: {} });
});
