/** What the old service got wrong with the peers of the field, and talent gets right. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CONFIG, run, startField } from '../support/old-field.js';
import { PLOT_ID } from '../support/old-log-collector.js';
import type { WireMessage } from '../support/wire-bytes.js';

const NOW = Math.floor(Date.now() / 1000);

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
