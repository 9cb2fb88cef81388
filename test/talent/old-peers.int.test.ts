/** The sequences of peers that are already in the field, over the wire as they speak it, and what talent makes of them. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { collect } from '../support/events.js';
import { CONTRACT, OldPeer } from '../support/fleet-contract.js';
import { FILE_DIRECTORY, FILE_NAME, PLOT_ID, updatesOfPlot } from '../support/old-log-collector.js';
import { startTalentNode, type TalentNode } from '../support/talent-node.js';
import { bytesOf, type WireMessage } from '../support/wire-bytes.js';

const NOW = Math.floor(Date.now() / 1000);
const CONFIG = {
  ksize: 32,
  threads: 2,
  buffer: 3390,
  cache1: '/mnt/ssd1',
  dest: { type: 'nfs', path: '/mnt/nfs/07' },
} as const satisfies WireMessage;

interface Field extends TalentNode {
  readonly peer: OldPeer;
  create(taskId: string, config?: WireMessage): Promise<void>;
  /** Types of the task's events. */
  events(taskId: string): Promise<string[]>;
}

async function startField(t: Test): Promise<Field> {
  const node = await startTalentNode(t);
  const peer = new OldPeer(node.address);
  return {
    ...node,
    peer,
    create: async (taskId, config = {}) => {
      const request = { task_id: taskId, plot_config: { ...CONFIG, ...config } };
      t.match(await peer.call('plot_task_create', request), { is_success: true });
    },
    events: async (taskId) => {
      const events = await collect(node.client.history({ task_id: taskId }));
      return events.map(({ type = '' }) => type.replace('PlotTask', ''));
    },
  };
}

/** Brings a task to `running`, as an old supervisor and an old log collector do. */
async function run({ peer, create }: Field, taskId: string, plotId = PLOT_ID): Promise<void> {
  await create(taskId);
  await peer.call('plot_task_update', { task_id: taskId, log_pid: 11 });
  await peer.call('plot_task_update', { task_id: taskId, status: 'started', plot_pid: 10, log_pid: 11 });
  await peer.call('plot_task_update', { task_id: taskId, status: 'running', plot_details: { id: plotId } });
}

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
  t.ok(Math.min(...sizes) < 50 && Math.max(...sizes) > 1100, `from ${sizes[0]} to ${sizes.at(-1)} bytes`);

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

  const { is_finished: _, dest_path: __, ...known } = { ...Object(updates.at(-1)?.['plot_details']) };
  t.match(await peer.call('plot_task_status', { task_id: 'a' }), {
    status: 'finished',
    finished_time: NOW,
    plot_details: { ...asFloats(known), is_started: true, is_finished: true, dest_path: '/mnt/nfs/07' },
  });
  const { plot_details } = await client.status({ task_id: 'a' });
  t.match(
    plot_details,
    { dest_file_name: FILE_NAME, dest_dir: FILE_DIRECTORY },
    'new peers read the directory',
  );
});

t.test('nothing late brings a final task back', async (t) => {
  const field = await startField(t);
  const { peer, events } = field;
  for (const final of ['stopped', 'failed', 'finished']) {
    await run(field, final);
    await peer.call('plot_task_update', { task_id: final, status: final });
    const before = await peer.call('plot_task_status', { task_id: final });
    const known = await events(final);
    for (const late of [
      { status: 'running' },
      { status: 'running', plot_details: { id: PLOT_ID, progress: 99 } },
      { status: 'started', plot_pid: 77 },
      { status: 'pending', remarks: 'no room' },
      { plot_details: { memo: 'late' } },
      ...['stopped', 'failed', 'finished', 'stopping']
        .filter((status) => status !== final)
        .map((status) => ({ status })),
    ]) {
      const answer = await peer.call('plot_task_update', { task_id: final, ...late });
      t.match(answer, { is_success: false, msg: `task ${final} is ${final}` });
    }
    t.same(await peer.call('plot_task_status', { task_id: final }), before);
    t.same(await events(final), known);
  }
});

t.test('the log collector of an attempt that was given up does not disturb the next one', async (t) => {
  const field = await startField(t);
  const { peer, client } = field;
  await run(field, 'a');
  await peer.call('plot_task_update', { task_id: 'a', status: 'failed', remarks: 'supervisor restarted' });
  t.match(await client.retry({ task_id: 'a' }), { is_success: true });

  const late = { task_id: 'a', status: 'running', plot_details: { id: PLOT_ID, progress: 60 } };
  const refused = await peer.call('plot_task_update', late);
  t.match(refused, { is_success: false, msg: `plot ${PLOT_ID} is of an earlier attempt of task a` });
  t.match(await client.status({ task_id: 'a' }), { status: 'received', attempt: 2 });

  const next = { task_id: 'a', status: 'running', plot_details: { id: 'another' } };
  t.match(await peer.call('plot_task_update', next), { is_success: true });
  t.match(await peer.call('plot_task_update', late), { is_success: false });
  t.match(await client.status({ task_id: 'a' }), { status: 'running', plot_details: { id: 'another' } });
});

t.test('where the file came to does not overwrite where it was asked to go', async (t) => {
  const field = await startField(t);
  const { peer, client, events } = field;
  const cases: [reported: WireMessage, shown: { dest_dir?: string; dest_file_name?: string }][] = [
    [{ dest_path: '/mnt/nfs/07' }, {}],
    [{ dest_path: '/mnt/nfs/07/' }, {}],
    [{ dest_path: '/mnt/x/a.plot' }, { dest_dir: '/mnt/x', dest_file_name: 'a.plot' }],
    [{ dest_path: '/a.plot' }, { dest_dir: '/', dest_file_name: 'a.plot' }],
    [
      { dest_path: '/mnt/x/a.plot', dest_file_name: 'a.plot' },
      { dest_dir: '/mnt/x', dest_file_name: 'a.plot' },
    ],
    [
      { dest_path: '/mnt/x', dest_file_name: 'a.plot' },
      { dest_dir: '/mnt/x', dest_file_name: 'a.plot' },
    ],
    [{ dest_path: '/mnt/x/' }, { dest_dir: '/mnt/x' }],
    [{ dest_file_name: 'a.plot' }, { dest_file_name: 'a.plot' }],
  ];
  for (const [index, [plot_details, shown]] of cases.entries()) {
    const taskId = `t${index}`;
    await run(field, taskId);
    const before = (await events(taskId)).length;
    for (let twice = 0; twice < 2; twice++)
      t.match(await peer.call('plot_task_update', { task_id: taskId, plot_details }), { is_success: true });
    t.equal(
      (await events(taskId)).length,
      before + Math.sign(Object.keys(shown).length),
      'said twice, stored once',
    );
    const { dest_path, dest_dir, dest_file_name } =
      (await client.status({ task_id: taskId })).plot_details ?? {};
    t.strictSame(
      [dest_path, dest_dir, dest_file_name],
      ['/mnt/nfs/07', shown.dest_dir, shown.dest_file_name],
    );
  }
  for (const dest_path of ['/mnt/x/..', '/mnt/x/.', 'plot.plot', '/mnt/\0x', `/${'x'.repeat(300)}`])
    t.match(await peer.call('plot_task_update', { task_id: 't0', plot_details: { dest_path } }), {
      is_success: false,
      msg: /^plot_details\.dest_path: must/,
    });
});

t.test('impossible values are refused by name and poison no list', async (t) => {
  const field = await startField(t);
  const { peer } = field;
  await run(field, 'a');
  const before = await peer.call('plot_task_status', { task_id: 'a' });
  const refused: [field: string, value: number][] = [
    ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 3.2e38].flatMap(
      (value): [string, number][] => [
        ['plot_details.progress', value],
        ['plot_details.phase_1_status.t1.time', value],
        ['plot_details.phase_2_status.t7.scan.cpu_usage', value],
        ['plot_details.phase_3_status.t6_7.time', value],
        ['plot_details.total_time.time', value],
        ['plot_details.copy_time.cpu_usage', value],
        ['pending_time', value],
        ['started_time', value],
        ['running_time', value],
        ['finished_time', value],
      ],
    ),
    ['plot_details.progress', 100.5],
    ['plot_details.wrote', -1],
    ['plot_details.wrote', 2 ** 62],
    ['plot_details.phase_1_status.table_1_now_size', -869_815_896],
    ['plot_details.ksize', 7],
    ['plot_details.threads', -4],
    ['plot_details.buffer', -1],
    ['plot_details.buckets', 2 ** 30],
    ['plot_details.stripe_size', -65_536],
    ['plot_details.stage_now', 4000],
    ['plot_details.phase_1_status.now', 8],
    ['plot_details.phase_2_status.now', -1],
    ['plot_pid', -7],
    ['log_pid', -1],
    ['started_time', 12],
    ['finished_time', NOW + 400_000],
  ];
  for (const [path, value] of refused) {
    const answer = await peer.call('plot_task_update', {
      task_id: 'a',
      status: 'running',
      ...nested(path, value),
    });
    t.equal(answer['is_success'], false, `${path} = ${value}`);
    t.ok(String(answer['msg']).startsWith(`${path}: must be`), String(answer['msg']));
  }
  t.same(await peer.call('plot_task_status', { task_id: 'a' }), before);
  t.same(await peer.tasks('get_plot_tasks', { status: 'running' }), [before]);

  const mixed = { task_id: 'a', plot_details: { memo: 'good', progress: Number.NaN } };
  t.match(await peer.call('plot_task_update', mixed), { is_success: false });
  t.same(await peer.call('plot_task_status', { task_id: 'a' }), before, 'all of a report or nothing');
});

t.test('nothing a peer sends is interpreted by a shell', async (t) => {
  const { peer, data, events } = await startField(t);
  const canary = join(data, 'canary');
  for (const [index, evil] of [
    `$(touch ${canary})`,
    `; touch ${canary} #`,
    `\`touch ${canary}\``,
    `'"|&<>*?~`,
  ].entries()) {
    const id = `evil-${index}`;
    const config = {
      ...CONFIG,
      cache1: `/c${evil}`,
      cache2: `/-rf ${evil}`,
      dest: { type: 'local', path: `/d${evil}` },
    };
    t.match(await peer.call('plot_task_create', { task_id: id, plot_config: config }), { is_success: true });
    const details = {
      memo: evil,
      id: evil,
      dest_file_name: evil.replaceAll('/', ''),
      phase_1_status: { stage: 'x' },
    };
    const update = { task_id: id, status: 'running', remarks: evil, plot_details: details };
    t.match(await peer.call('plot_task_update', update), { is_success: true });
    t.match(await peer.call('plot_task_status', { task_id: id }), {
      remarks: evil,
      plot_details: { ...details, cache1: `/c${evil}`, cache2: `/-rf ${evil}`, dest_path: `/d${evil}` },
    });
    t.match(await peer.tasks('get_plot_by_cache', { cache1: `/c${evil}`, status: 'running' }), [
      { task_id: id },
    ]);
    t.match(await peer.call('plot_task_stop', { task_id: id, reason: evil }), { is_success: true });
    t.equal((await events(id)).at(-1), 'StopRequested');
  }
  for (const task_id of ['a b', '$(x)', '../x', '-rf', 'a;b', 'a\nb', "a'b", 'ä', 'x'.repeat(65), '%s']) {
    const answer = await peer.call('plot_task_create', { task_id, plot_config: CONFIG });
    t.match(answer, { is_success: false, msg: /^task_id: must be 1 to 64/ }, task_id);
  }
  t.notOk(existsSync(canary));
});

function nested(path: string, value: number): WireMessage {
  const [name = '', ...rest] = path.split('.');
  return { [name]: rest.length === 0 ? value : nested(rest.join('.'), value) };
}

/** As numbers of 32-bit fields come back: everything timed is a float on the wire. */
function asFloats(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? value : Math.fround(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, asFloats(inner)]));
}
