/** The contract of the field, spoken by number: nothing here is made or read with this project's proto file. */

import t from 'tap';
import { loadProto } from '../../../../src/wire/proto.js';
import { startTalentNode } from '../../../support/talent-node.js';
import { filledMessage, K32_TABLE_1 } from '../support/filled-message.js';
import { CONTRACT, METHODS, OldPeer } from '../support/fleet-contract.js';
import {
  bytesOf,
  callWithBytes,
  delimited,
  double,
  float,
  integer,
  messageIn,
  type Shapes,
  type WireMessage,
  type WireValue,
} from '../support/wire-bytes.js';

const NOW = Math.floor(Date.now() / 1000);

const ORDER = {
  task_id: 'task_6a1f0b52-7d53-4f7e-9c1f-0d9a5a2f6c11',
  worker_id: 'b7c9d1de-2f55-4a53-8a0f-0c34a5b7f0aa',
  plot_config: {
    fpk: 'a1b2'.repeat(24),
    ppk: 'c3d4'.repeat(24),
    ksize: 32,
    threads: 4,
    buffer: 3390,
    cache1: '/mnt/ssd 1/tmp',
    cache2: '/mnt/ssd2',
    dest: { type: 'local', path: '/mnt/farm/绘图' },
  },
} as const satisfies WireMessage;

/** What can't be just any value, by path. */
const VALUES: Readonly<Record<string, WireValue>> = {
  worker_id: ORDER.worker_id,
  task_id: ORDER.task_id,
  status: 'finished',
  remarks: 'line one\nline two',
  received_time: NOW,
  pending_time: NOW - 400.25,
  started_time: NOW - 300.5,
  running_time: NOW - 200.75,
  finished_time: NOW - 100,
  'plot_details.fpk': ORDER.plot_config.fpk,
  'plot_details.ppk': ORDER.plot_config.ppk,
  'plot_details.cache1': ORDER.plot_config.cache1,
  'plot_details.cache2': ORDER.plot_config.cache2,
  'plot_details.dest_type': ORDER.plot_config.dest.type,
  'plot_details.dest_path': ORDER.plot_config.dest.path,
  'plot_details.ksize': 33,
  'plot_details.progress': 100,
  'plot_details.stage_now': 4,
  'plot_details.phase_1_status.now': 7,
  'plot_details.phase_2_status.now': 2,
};

t.test(
  'the proto file has the numbers and types of the contract, and additions apart from them',
  async (t) => {
    const proto = loadProto('talent');
    const messages = new Map(messagesIn(proto));
    for (const [name, shape] of Object.entries(CONTRACT)) {
      const fields = messages.get(name) ?? [];
      for (const [field, { number, type, repeated }] of Object.entries(shape)) {
        const found = fields.find((one) => one.number === number);
        t.strictSame(found, { name: field, number, type, repeated }, `${name}.${field} = ${number}`);
      }
      const known = new Set(Object.keys(shape));
      for (const { name: field, number } of fields.filter((one) => !known.has(one.name)))
        t.ok(number >= 100, `${name}.${field} = ${number} is an addition`);
    }

    const service = proto['talent.PlotManager'];
    if (service === undefined || 'format' in service) throw new Error('no service PlotManager');
    for (const [method, [request, response]] of Object.entries(METHODS)) {
      t.match(service[method], {
        path: `/talent.PlotManager/${method}`,
        requestStream: false,
        responseStream: false,
        requestType: { type: { name: request } },
        responseType: { type: { name: response } },
      });
    }
  },
);

t.test('every field of a status goes in and comes out by its number', async (t) => {
  const { address } = await startTalentNode(t);
  const peer = new OldPeer(address);
  const { type, is_success, msg } = await peer.call('plot_task_create', ORDER);
  t.same({ type, is_success }, { type: 'on_create', is_success: true }, String(msg));

  const status = filledMessage('PlotTaskStatus', VALUES);
  const details = filledMessage('PlotDetails', VALUES, 'plot_details.');
  const { task_id, remarks, plot_pid, log_pid, pending_time, started_time, running_time, finished_time } =
    status;
  // The destination asked for is no report; the file's name is.
  const report = { ...details, dest_path: undefined };
  for (const update of [
    { task_id, status: 'pending', pending_time },
    { task_id, status: 'started', started_time, plot_pid, log_pid },
    { task_id, status: 'running', running_time, plot_details: { ...report, progress: Math.fround(99.9) } },
    { task_id, status: 'finished', finished_time, remarks, plot_details: report },
  ]) {
    const answer = await peer.call('plot_task_update', update);
    t.equal(answer['is_success'], true, String(answer['msg']));
  }

  const found = await peer.call('plot_task_status', { task_id });
  const { received_time } = found;
  t.ok(typeof received_time === 'number' && Math.abs(received_time - NOW) < 60, 'received when it was');
  const expected = { ...status, received_time, plot_details: { ...details } };
  t.strictSame(sorted(found), sorted(expected));
  t.same(await peer.tasks('plot_task_status_all'), [found]);
  t.same(await peer.tasks('get_plot_tasks', { status: 'finished' }), [found]);
  t.same(await peer.tasks('get_plot_by_cache', { status: 'finished', cache1: '/mnt/ssd 1/tmp' }), [found]);
});

t.test('all seven methods answer', async (t) => {
  const { address, talent } = await startTalentNode(t);
  const peer = new OldPeer(address);
  const { plot_config } = ORDER;
  await peer.call('plot_task_create', { task_id: 'a', plot_config });
  await peer.call('plot_task_create', { task_id: 'b', plot_config: { ...plot_config, cache1: '/other' } });

  t.match(await peer.call('plot_task_update', { task_id: 'b', status: 'pending' }), { is_success: true });
  t.match(await peer.tasks('get_plot_tasks'), [{ task_id: 'a' }, { task_id: 'b' }], 'all that waits');
  t.match(await peer.tasks('get_plot_tasks', { status: 'pending' }), [{ task_id: 'b', status: 'pending' }]);
  t.match(await peer.tasks('get_plot_by_cache', { cache1: '/other' }), [{ task_id: 'b' }]);
  t.same(await peer.tasks('get_plot_by_cache', { cache1: '/other', status: 'running' }), []);
  t.same(await peer.tasks('get_plot_by_cache', { cache1: '/nobody' }), []);

  t.match(await peer.call('plot_task_stop', { task_id: 'a', reason: 'make room' }), {
    type: 'on_stop',
    is_success: true,
  });
  t.match(await peer.call('plot_task_status', { task_id: 'a' }), {
    existed: true,
    status: 'stopped',
    remarks: 'make room',
    worker_id: talent.workerId,
  });
  t.match(await peer.tasks('plot_task_status_all'), [{ task_id: 'a' }, { task_id: 'b' }]);
  t.same(await peer.call('plot_task_status', { task_id: 'nobody' }), {
    existed: false,
    task_id: 'nobody',
    worker_id: talent.workerId,
  });
  const refused = await peer.call('plot_task_stop', { task_id: 'nobody' });
  t.match(refused, { type: 'on_stop', is_success: false, msg: 'nobody does not exist' });
});

t.test('fields that talent does not know are passed over', async (t) => {
  const { address } = await startTalentNode(t);
  const peer = new OldPeer(address);
  const strange = [
    integer(57, 1n << 63n),
    double(58, Number.NaN),
    float(59, Number.NEGATIVE_INFINITY),
    delimited(5000, Buffer.from([0xff, 0x00])),
  ];
  const config = Buffer.concat([...strange, bytesOf(CONTRACT, 'PlotConfig', ORDER.plot_config)]);
  const create = Buffer.concat([...strange, delimited(1, Buffer.from('x')), delimited(3, config)]);
  t.match(await peer.send('plot_task_create', create), { is_success: true });

  const details = Buffer.concat([...strange, bytesOf(CONTRACT, 'PlotDetails', { memo: 'known' })]);
  const update = Buffer.concat([delimited(2, Buffer.from('x')), ...strange, delimited(13, details)]);
  t.match(await peer.send('plot_task_update', update), { is_success: true });
  t.match(await peer.call('plot_task_status', { task_id: 'x' }), { plot_details: { memo: 'known' } });
});

t.test('what is no message is refused, and the service goes on', async (t) => {
  const { address } = await startTalentNode(t);
  const broken = Buffer.from([0x80]);
  await t.rejects(callWithBytes(address, '/talent.PlotManager/plot_task_create', broken), { code: 13 });
  await t.rejects(callWithBytes(address, '/talent.PlotManager/plot_task_shout', Buffer.alloc(0)), {
    code: 12,
  });
  t.same(await new OldPeer(address).tasks('plot_task_status_all'), []);
});

t.test('peers that know the sizes as int32 read and write on', async (t) => {
  const { address } = await startTalentNode(t);
  const int32 = (name: string, field: string, number: number): Shapes => ({
    [name]: { ...CONTRACT[name], [field]: { number, type: 'int32', repeated: false } },
  });
  const older: Shapes = {
    ...CONTRACT,
    ...int32('PlotDetails', 'wrote', 20),
    ...int32('PlotP1Status', 'table_1_now_size', 2),
  };
  const peer = new OldPeer(address, older);
  const { task_id } = ORDER;
  await peer.call('plot_task_create', ORDER);
  const sizes = (value: number) => ({
    task_id,
    plot_details: { wrote: value, phase_1_status: { table_1_now_size: value } },
  });
  t.match(await peer.call('plot_task_update', sizes(2 ** 31 - 1)), { is_success: true });
  t.match(await peer.call('plot_task_status', { task_id }), sizes(2 ** 31 - 1));

  t.match(await new OldPeer(address).call('plot_task_update', sizes(K32_TABLE_1)), { is_success: true });
  t.match(await peer.call('plot_task_status', { task_id }), sizes(K32_TABLE_1 - 2 ** 32), 'as it always did');
  t.match(await new OldPeer(address).call('plot_task_status', { task_id }), sizes(K32_TABLE_1));

  const refused = await peer.call('plot_task_update', sizes(K32_TABLE_1 - 2 ** 32));
  t.match(refused, { msg: /^plot_details\.(phase_1_status\.table_1_now_size|wrote): must be/ }, 'overflowed');
  t.match(await new OldPeer(address).call('plot_task_status', { task_id }), sizes(K32_TABLE_1));
});

t.test('old peers are sent nothing below 100 that they do not know', async (t) => {
  const { address } = await startTalentNode(t);
  const peer = new OldPeer(address);
  await peer.call('plot_task_create', ORDER);
  const request = bytesOf(CONTRACT, 'PlotTaskIdRequest', { task_id: ORDER.task_id });
  const answer = await callWithBytes(address, '/talent.PlotManager/plot_task_status', request);
  const { unknown } = messageIn(CONTRACT, 'PlotTaskStatus', answer);
  t.ok(unknown.length > 0 && unknown.every((number) => number >= 100), unknown.join(' '));
});

interface DescribedField {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly repeated: boolean;
}

/** The messages of the proto file with their fields, nested ones as `Outer.Inner`. */
function* messagesIn(proto: ReturnType<typeof loadProto>): Generator<[string, DescribedField[]]> {
  for (const [name, definition] of Object.entries(proto)) {
    if ('format' in definition && definition.format === 'Protocol Buffer 3 DescriptorProto')
      yield* messagesBelow(name.replace(/^talent\./, ''), definition.type);
  }
}

function* messagesBelow(name: string, descriptor: object): Generator<[string, DescribedField[]]> {
  const { field, nestedType } = { field: [], nestedType: [], ...descriptor };
  yield [name, field.map((one) => describe(name, one))];
  for (const nested of nestedType) yield* messagesBelow(`${name}.${Reflect.get(nested, 'name')}`, nested);
}

function describe(message: string, field: object): DescribedField {
  const { name, number, type, typeName, label } = {
    name: '',
    number: 0,
    type: '',
    typeName: '',
    label: '',
    ...field,
  };
  const scalar = type.replace(/^TYPE_/, '').toLowerCase();
  const named = message === 'PlotConfig' && typeName === 'Dest' ? 'PlotConfig.Dest' : typeName;
  return { name, number, type: scalar === 'message' ? named : scalar, repeated: label === 'LABEL_REPEATED' };
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, sorted(inner)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
