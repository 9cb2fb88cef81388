/** Hints may be lost, doubled and late: the store decides who runs a job. */

import t from 'tap';
import { randomFrom } from '../../../../support/random.js';
import { until } from '../../../../support/until.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { startWorkload } from '../../support/workload-node.js';

t.test('hints that are lost, doubled and shuffled run each job once', async (t) => {
  const node = await startWorkload(t, { config: { requeue_seconds: 1 } });
  const random = randomFrom(7);
  const done = new Set<string>();
  const late: (() => void)[] = [];
  const uids = Array.from({ length: 40 }, (_, n) => `j${n}`);
  for (const uid of uids) await node.createJob(uid);
  for (const name of ['p1', 'p2', 'p3']) {
    const pilot = await startPilot(t, node, { name, slots: 4 });
    const take = async (uid: string, curRetry: number) => {
      const { grant } = await pilot.claim(uid, curRetry);
      if (grant === undefined) return;
      await pilot.started(grant);
      await pilot.finished(grant);
      done.add(uid);
    };
    pilot.onHint = (uid, curRetry) => {
      if (random() < 0.1) return;
      void take(uid, curRetry);
      if (random() < 0.5) late.unshift(() => void take(uid, curRetry));
      if (late.length > 5) for (const again of late.splice(0)) again();
    };
  }
  await until('all have finished', () => done.size === uids.length);
  for (const uid of uids) {
    const types = (await node.eventsOf(uid)).map(({ type }) => type).filter((type) => type !== 'JobRequeued');
    t.strictSame(types, ['JobCreated', 'JobQueued', 'JobClaimed', 'JobStarted', 'JobFinished']);
  }
});

t.test('a hint that nobody comes for is sent again while slots are free', async (t) => {
  const node = await startWorkload(t, { config: { requeue_seconds: 1 } });
  const pilot = await startPilot(t, node);
  await node.createJob('j1');
  await until('it is sent again', () => pilot.hints.length >= 2);
  const requeued = (await node.eventsOf('j1')).find(({ type }) => type === 'JobRequeued');
  t.match(requeued?.data, {
    queue: 'embedded',
    reason: /nobody has come for it in 1 s though slots are free/,
  });
  await pilot.take('j1');
});

t.test('what waits for one program stands in the way of no other', async (t) => {
  const node = await startWorkload(t);
  for (let n = 0; n < 120; n++) await node.createJob(`a${n}`, { executable: 'sort', rank: 9 });
  await node.createJob('b1', { executable: 'wc', rank: 0 });
  const busy = await startPilot(t, node, { name: 'p1', executables: ['sort'] });
  await until('it has one', () => busy.hints.length > 0);
  const idle = await startPilot(t, node, { name: 'p2', executables: ['wc'] });
  await idle.take('b1');
  const { jobs } = {
    jobs: [],
    ...(await node.jobs.call('job_list', { state: ['queued'], page_size: 1000 })),
  };
  t.equal(jobs.length, 100, 'a batch of the other is queued, and no more');
});

t.test('what is out with a pilot that rests goes to others, and it is asked again afterwards', async (t) => {
  const node = await startWorkload(t);
  const rests = await startPilot(t, node);
  await node.createJob('j1');
  await until('there is a hint for it', () => rests.hints.includes('j1'));
  const works = await startPilot(t, node, { name: 'p2' });
  const why = 'takes nothing for a minute';
  await rests.tell({ sample: { slots_used: 0, jobs: [], resting: why } });
  t.match(await node.pilots.call('pilot_status', { id: 'p1' }), { status: 'active', remarks: why });
  await works.finished(await works.take('j1'));
  await node.createJob('j2');
  const second = await works.take('j2');
  t.same(rests.hints, ['j1']);
  await node.createJob('j3');
  await rests.tell({ sample: { slots_used: 0, jobs: [] } });
  await rests.finished(await rests.take('j3'));
  await works.finished(second);
  const { remarks } = Object(await node.pilots.call('pilot_status', { id: 'p1' }));
  t.notOk(remarks);
});
