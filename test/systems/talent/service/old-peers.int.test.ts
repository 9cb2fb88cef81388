/** The sequences of peers that are already in the field, over the wire as they speak it. */

import t from 'tap';
import { collect } from '../../../support/events.js';
import { CONTRACT } from '../support/fleet-contract.js';
import { CONFIG, run, startField } from '../support/old-field.js';
import { FILE_DIRECTORY, FILE_NAME, PLOT_ID, updatesOfPlot } from '../support/old-log-collector.js';
import { bytesOf, isMessage, type WireMessage } from '../support/wire-bytes.js';

const NOW = Math.floor(Date.now() / 1000);

t.test('an overlord creates, polls and is told in-band', async (t) => {
  const { peer, talent, events } = await startField(t);
  const request = { task_id: 'task_1', plot_config: CONFIG };
  t.match(await peer.call('plot_task_create', request), { type: 'on_create', is_success: true });

  const again = await peer.call('plot_task_create', request);
  t.match(again, { type: 'on_create', is_success: false, msg: /task_1 exists already/ });
  t.same(await events('task_1'), ['Received']);

  const status = await peer.call('plot_task_status', { task_id: 'task_1' });
  t.match(status, {
    worker_id: talent.workerId,
    existed: true,
    status: 'received',
    plot_details: {
      ksize: 32,
      cache1: '/mnt/ssd1',
      cache2: '/mnt/ssd1',
      dest_type: 'nfs',
      dest_path: '/mnt/nfs/07',
    },
  });
  t.same(await peer.call('plot_task_status', { task_id: 'task_1' }), status, 'polling changes nothing');

  const unknown = await peer.call('plot_task_status', { task_id: 'task_2' });
  t.same(unknown, { existed: false, task_id: 'task_2', worker_id: talent.workerId });

  const asked = await peer.send('get_plot_tasks', bytesOf(CONTRACT, 'Empty', {}));
  t.match(asked, { tasks: [{ task_id: 'task_1' }] }, 'get_plot_tasks with Empty');
});

t.test('a refused create says which field, and nothing of it is stored', async (t) => {
  const { peer } = await startField(t);
  const refused: [WireMessage, RegExp][] = [
    [{ ...CONFIG, cache1: 'tmp' }, /^plot_config\.cache1: must be an absolute path/],
    [
      { ...CONFIG, dest: { type: 'tape', path: '/d' } },
      /^plot_config\.dest\.type: must be one of local, nfs/,
    ],
    [{ ...CONFIG, ksize: 12 }, /^plot_config\.ksize: must be a whole number from 18 to 50/],
  ];
  for (const [plot_config, msg] of refused) {
    const answer = await peer.call('plot_task_create', { task_id: 'x', plot_config });
    t.match(answer, { type: 'on_create', is_success: false, msg });
  }
  t.same(await peer.tasks('plot_task_status_all'), []);
});

t.test('a supervisor polls, waits for room and starts', async (t) => {
  const { peer, create, events, client } = await startField(t);
  await create('a');
  await create('b');
  t.same(await peer.tasks('get_plot_tasks', { status: 'pending' }), []);
  t.match(await peer.tasks('get_plot_tasks', { status: 'received' }), [{ task_id: 'a' }, { task_id: 'b' }]);

  for (let loop = 0; loop < 5; loop++) {
    const wait = {
      task_id: 'a',
      status: 'pending',
      pending_time: NOW + loop,
      remarks: 'no room in /mnt/ssd1',
    };
    t.match(await peer.call('plot_task_update', wait), { is_success: true });
  }
  t.same(await events('a'), ['Received', 'Pending'], 'once, however often it is said');
  t.match(await peer.tasks('get_plot_tasks', { status: 'pending' }), [
    { task_id: 'a', status: 'pending', pending_time: NOW, remarks: 'no room in /mnt/ssd1' },
  ]);
  await peer.call('plot_task_update', { task_id: 'a', status: 'pending', remarks: 'max_concurrent reached' });
  t.same(await events('a'), ['Received', 'Pending', 'Reported'], 'another reason is news');

  await peer.call('plot_task_update', { task_id: 'b', log_pid: 4711 });
  const start = {
    task_id: 'b',
    status: 'started',
    started_time: NOW - 5,
    plot_pid: 4712,
    log_pid: 4711,
    remarks: 'started',
  };
  t.match(await peer.call('plot_task_update', start), { is_success: true });
  t.same(
    await events('b'),
    ['Received', 'Reported', 'Pending', 'Started'],
    'no pending between: both recorded',
  );
  const [pending, started] = (await collect(client.history({ task_id: 'b' }))).slice(2);
  t.equal(pending?.causation_id, started?.causation_id, 'as one append of one command');
  t.match(await peer.call('plot_task_status', { task_id: 'b' }), {
    ...start,
    pending_time: NOW - 5,
  });
  t.same(await peer.tasks('get_plot_tasks', { status: 'received' }), []);
});

t.test('a supervisor gives tasks up', async (t) => {
  const field = await startField(t);
  const { peer, create, events } = field;
  await create('a');
  const missing = { task_id: 'a', status: 'failed', remarks: 'cache1 /mnt/ssd1 does not exist' };
  t.match(await peer.call('plot_task_update', missing), { is_success: true });
  t.match(await peer.call('plot_task_update', missing), { is_success: true, msg: 'nothing new' });
  t.match(await peer.call('plot_task_status', { task_id: 'a' }), missing);

  await run(field, 'b');
  const shutdown = { task_id: 'b', status: 'stopped' };
  t.match(await peer.call('plot_task_update', shutdown), { is_success: true }, 'with no stopping before');
  t.match(await peer.call('plot_task_update', shutdown), { is_success: true });
  t.same((await events('b')).slice(-2), ['Running', 'Stopped']);
});

t.test('a stop that an old supervisor never sees waits for a report', async (t) => {
  const field = await startField(t);
  const { peer } = field;
  for (const taskId of ['a', 'b']) {
    await run(field, taskId);
    t.match(await peer.call('plot_task_stop', { task_id: taskId, reason: 'sold the disk' }), {
      is_success: true,
    });
  }
  for (const status of ['pending', 'received'])
    t.same(await peer.tasks('get_plot_tasks', { status }), [], `not among those ${status}`);

  const progress = { task_id: 'a', status: 'running', plot_details: { id: PLOT_ID, progress: 41 } };
  t.match(await peer.call('plot_task_update', progress), { is_success: true });
  t.match(await peer.call('plot_task_status', { task_id: 'a' }), {
    status: 'stopping',
    remarks: 'sold the disk',
    plot_details: { progress: 41 },
  });
  await peer.call('plot_task_update', { task_id: 'a', status: 'stopped' });
  t.match(await peer.call('plot_task_status', { task_id: 'a' }), { status: 'stopped' });
  await peer.call('plot_task_update', { task_id: 'b', status: 'finished', finished_time: NOW });
  t.match(await peer.call('plot_task_status', { task_id: 'b' }), { status: 'finished' }, 'finishing wins');
});

t.test('a log collector tells a whole plot, everything again each time', async (t) => {
  const { peer, create, client } = await startField(t);
  await create('a');
  await peer.call('plot_task_update', { task_id: 'a', status: 'started', plot_pid: 10, log_pid: 11 });
  const updates = updatesOfPlot('a', NOW);
  const sizes = updates.map((update) => bytesOf(CONTRACT, 'PlotTaskStatus', update).length);
  t.equal(updates.length, 58);
  t.ok(Math.min(...sizes) < 50 && Math.max(...sizes) > 1000, `from ${sizes[0]} to ${sizes.at(-1)} bytes`);

  for (const update of updates) {
    t.match(await peer.call('plot_task_update', update), { is_success: true, msg: 'recorded' });
    t.match(await peer.call('plot_task_update', update), { is_success: true, msg: 'nothing new' });
  }
  for (let trailing = 0; trailing < 3; trailing++)
    t.match(await peer.call('plot_task_update', updates.at(-1) ?? {}), {
      is_success: true,
      msg: 'nothing new',
    });

  const events = (await collect(client.history({ task_id: 'a' }))).slice(3);
  t.equal(events.length, 58, 'one event for each update');
  t.same(
    new Set(events.map(({ type }) => type)),
    new Set(['PlotTaskReported', 'PlotTaskRunning', 'PlotTaskFinished']),
  );
  for (const { data = '' } of events)
    t.ok(Object.keys(JSON.parse(data)).length <= 8, `only what changed: ${data}`);

  const told = updates.at(-1)?.['plot_details'];
  const { is_finished: _, dest_path: __, ...known } = isMessage(told) ? told : {};
  t.match(await peer.call('plot_task_status', { task_id: 'a' }), {
    status: 'finished',
    finished_time: NOW,
    plot_details: asFloats({ ...known, is_started: true, is_finished: true, dest_path: '/mnt/nfs/07' }),
  });
  const { plot_details } = await client.status({ task_id: 'a' });
  t.match(
    plot_details,
    { dest_file_name: FILE_NAME, dest_dir: FILE_DIRECTORY },
    'new peers read the directory',
  );
});

/** As numbers of 32-bit fields come back: everything timed is a float on the wire. */
function asFloats(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? value : Math.fround(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, asFloats(inner)]));
}
