/** What the answers of the contract of the field hold, and what peers of old are told where talent knows better. */

import t from 'tap';
import { orderFor, startTalentNode } from '../../../support/talent-node.js';
import { CONFIG, run, startField } from '../support/old-field.js';

const scanned = { scan: {}, sort: {} };
/** Of a task of which nothing has been reported. */
const EMPTY = {
  phase_1_status: { t1: {}, t2: {}, t3: {}, t4: {}, t5: {}, t6: {}, t7: {} },
  phase_2_status: {
    ...{ t7: scanned, t6: scanned, t5: scanned, t4: scanned, t3: scanned, t2: scanned, t1: scanned },
  },
  phase_3_status: { t1_2: {}, t2_3: {}, t3_4: {}, t4_5: {}, t5_6: {}, t6_7: {} },
  phase_4_status: {},
  total_time: {},
  copy_time: {},
};

t.test('an unknown status, and a cache that can not be, have no tasks and are no error', async (t) => {
  const { peer, create } = await startField(t);
  await create('a');
  for (const status of [
    'waiting',
    'running ',
    'RECEIVED',
    'initialized',
    "x' OR 1=1 --",
    '中'.repeat(10_000),
  ]) {
    t.same(await peer.call('get_plot_tasks', { status }), {});
    t.same(await peer.call('get_plot_by_cache', { status, cache1: CONFIG.cache1 }), {});
  }
  t.same(await peer.call('get_plot_by_cache', { cache1: 'mnt/ssd1' }), {});
  t.match(await peer.tasks('get_plot_tasks'), [{ task_id: 'a' }]);
});

t.test('each answer has the messages of all phases, empty where nothing is known', async (t) => {
  const { peer, create, client } = await startField(t);
  await create('a');
  const empty = await peer.call('plot_task_status', { task_id: 'a' });
  t.match(empty, { status: 'received', plot_details: { ...EMPTY, ksize: 32 } });
  for (const answer of [
    await peer.tasks('plot_task_status_all'),
    await peer.tasks('get_plot_tasks'),
    await peer.tasks('get_plot_by_cache', { cache1: CONFIG.cache1 }),
  ])
    t.same(answer, [empty]);

  const details = {
    id: 'p1',
    progress: 40,
    phase_1_status: { stage: 'phase 1', time: 100, t2: { time: 12.5 } },
    phase_2_status: { t7: { sort: { cpu_usage: 90 } } },
  };
  await peer.call('plot_task_update', { task_id: 'a', status: 'running', plot_details: details });
  const known = {
    ...EMPTY,
    phase_1_status: { ...EMPTY.phase_1_status, ...details.phase_1_status },
    phase_2_status: { ...EMPTY.phase_2_status, t7: { scan: {}, sort: { cpu_usage: 90 } } },
  };
  const [shown] = await peer.tasks('plot_task_status_all');
  t.match(shown, { status: 'running', plot_details: { ...known, id: 'p1', progress: 40 } });
  t.same(await peer.call('plot_task_status', { task_id: 'a' }), shown);

  const { plot_details } = await client.status({ task_id: 'a' });
  t.match(plot_details, { ...details, cache1: CONFIG.cache1 }, 'who takes the last of two misses nothing');
  t.equal(plot_details?.phase_3_status, undefined, 'and sees what was given, as before');
  t.same(await peer.call('plot_task_status', { task_id: 'nobody' }), {
    existed: false,
    task_id: 'nobody',
    worker_id: shown instanceof Object && 'worker_id' in shown ? shown.worker_id : '',
  });
});

t.test('who reports received of a task that has gone on is told where it is', async (t) => {
  const field = await startField(t);
  const { peer, create, events } = field;
  const report = { task_id: 'a', status: 'received', remarks: 'mine', plot_details: { memo: 'm' } };
  await create('a');
  t.match(await peer.call('plot_task_update', { task_id: 'a', status: 'received' }), {
    is_success: true,
    msg: 'nothing new',
  });
  for (const status of ['pending', 'started', 'running']) {
    await peer.call('plot_task_update', { task_id: 'a', status });
    const before = await events('a');
    const msg = `task a is ${status}; a report of received changes nothing`;
    t.match(await peer.call('plot_task_update', report), { is_success: false, msg });
    t.same(await events('a'), before);
  }
  await peer.call('plot_task_stop', { task_id: 'a' });
  t.match(await peer.call('plot_task_update', report), { is_success: false, msg: /^task a is stopping;/ });
  await run(field, 'b');
  const late = { task_id: 'b', status: 'pending', remarks: 'no room' };
  t.match(
    await peer.call('plot_task_update', late),
    { is_success: true },
    'a loop of a poller is no mistake',
  );
});

t.test(
  'an order for a worker whose supervisor never attached says so, with those that are there',
  async (t) => {
    const data = t.testdir({});
    const node = await startTalentNode(t, { data });
    const { client, talent } = node;
    const order = (task_id: string, worker_id: string) =>
      client.create({ task_id, worker_id, plot_config: CONFIG });
    const remarksOf = async (task_id: string) => {
      const { remarks } = await client.status({ task_id });
      const listed = (await client.list({ task_id_prefix: task_id })).tasks?.[0]?.remarks;
      t.equal(listed, remarks, 'every answer says the same');
      return remarks;
    };
    const none = 'no supervisor has attached yet';
    t.match(await order('a', 'shed3'), { is_success: true, msg: `received; ${none}` });
    t.equal(await remarksOf('a'), none);

    for (const worker_id of ['plotter-07', 'shed-3'])
      await client.attach({ worker_id, session_id: `s-${worker_id}` });
    t.match(await order('b', 'plotter-07'), { is_success: true, msg: 'received' });
    t.equal(await remarksOf('b'), undefined);
    const there = 'no supervisor has attached as worker shed3; there are shed-3, plotter-07';
    t.match(
      await order('c', 'shed3'),
      { msg: `received; ${there}` },
      'the one that is meant, most likely, first',
    );
    t.equal(await remarksOf('a'), there, 'of one that waits already as well');
    t.match(await order('d', talent.workerId), { msg: /^received; no supervisor has attached as worker / });

    await client.update({ task_id: 'c', status: 'failed', remarks: 'given up' });
    t.equal(await remarksOf('c'), 'given up', 'what somebody has taken notice of speaks for itself');
    t.match(await client.retry({ task_id: 'c', reason: 'once more' }), { msg: `received again; ${there}` });
    t.equal(await remarksOf('c'), 'once more', 'nor does it replace what was said');
    await client.attach({ worker_id: 'shed3', session_id: 's' });
    t.match(await order('e', 'shed3'), { msg: 'received' }, 'at once');
    await client.detach({ worker_id: 'shed3', session_id: 's' });
    t.match(await order('f', 'shed3'), { msg: 'received' }, 'one that has gone was there');
    t.same(
      await node
        .tasks('get_plot_tasks', { status: 'received' })
        .then((tasks) => tasks.map(({ remarks = '' }) => remarks)),
      [
        '',
        '',
        'once more',
        `no supervisor has attached as worker ${talent.workerId}; there are plotter-07, shed-3`,
        '',
        '',
      ],
    );
  },
);

t.test(
  'of more tasks than a peer of old takes it gets as many as it takes, and the log says so once',
  async (t) => {
    const node = await startTalentNode(t);
    const { client, ask, log } = node;
    const ids = Array.from({ length: 140 }, (_, n) => `t${n}`);
    const remarks = 'é'.repeat(16_000);
    await Promise.all(ids.map((id) => client.create(orderFor(id))));
    await client.update({ task_id: 't0', status: 'running', remarks });
    for (const task_id of ids.slice(1)) await client.update({ task_id, status: 'failed', remarks });

    // This channel has the limit that every peer has unless it asks for more.
    const all: { tasks?: { task_id?: string }[]; left_out?: number } = await ask('plot_task_status_all');
    const shown = (all.tasks ?? []).map(({ task_id = '' }) => task_id);
    const { left_out: leftOut = 0 } = all;
    t.ok(leftOut > 5 && leftOut < 20, `${leftOut} are left out`);
    t.same(shown, ['t0', ...ids.slice(leftOut + 1)], 'those that ended longest ago');
    const failed = await ask('get_plot_tasks', { status: 'failed' });
    t.match(failed, { left_out: leftOut - 1 });
    await ask('plot_task_status_all');
    t.same(
      log.messages('warn').filter((message) => message.includes('4 MiB')).length,
      2,
      'once for each question',
    );

    await Promise.all(ids.slice(1, 30).map((task_id) => client.retry({ task_id })));
    t.equal((await node.tasks('plot_task_status_all')).length, ids.length, 'all fit again');
    t.match(await ask('get_plot_tasks', { status: 'failed' }), { left_out: undefined });
  },
);
