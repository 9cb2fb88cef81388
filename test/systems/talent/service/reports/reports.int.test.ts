/** The two-way stream of reports: every report is acknowledged once, when it is durable, whatever becomes of it. */

import { Client, type ClientDuplexStream, credentials, status as GrpcStatus } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { openSqliteEventStore } from '../../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type {
  PlotTaskReportAck,
  PlotTaskReportAcks,
  PlotTaskStatus,
} from '../../../../../src/systems/talent/wire/messages.js';
import { collect } from '../../../../support/events.js';
import { methodNamed, orderFor, startTalentNode, type TalentNode } from '../../../../support/talent-node.js';
import { until } from '../../../../support/until.js';

interface Reports {
  readonly call: ClientDuplexStream<object, object>;
  readonly acks: PlotTaskReportAck[];
  send(seq: number, status: PlotTaskStatus): void;
  /** Waits for the answer to that report. */
  ack(seq: number): Promise<PlotTaskReportAck>;
  /** Code and details of the end, once it is there. */
  readonly end: Promise<{ code: number; details: string }>;
}

function openReports(
  t: Test,
  { address }: TalentNode,
  onAck: (ack: PlotTaskReportAck) => void = () => undefined,
): Reports {
  const { path, requestSerialize, responseDeserialize } = methodNamed('plot_task_report');
  const channel = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  const call = channel.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  t.teardown(() => {
    call.cancel();
    channel.close();
  });
  const acks: PlotTaskReportAck[] = [];
  call.on('data', ({ acks: some = [] }: PlotTaskReportAcks) => {
    for (const ack of some) {
      acks.push(ack);
      onAck(ack);
    }
  });
  call.on('error', () => undefined);
  const end = new Promise<{ code: number; details: string }>((resolve) => {
    call.on('status', resolve);
  });
  const find = (seq: number) => acks.find((ack) => (ack.seq ?? 0) === seq);
  return {
    call,
    acks,
    end,
    send: (seq, status) => void call.write({ seq, status }),
    ack: async (seq) => {
      await until(`report ${seq} is acknowledged`, () => find(seq) !== undefined);
      return find(seq) ?? {};
    },
  };
}

const TASKS = Array.from({ length: 50 }, (_, n) => `t${n}`);

t.test('thousands of reports are each acknowledged once', async (t) => {
  const node = await startTalentNode(t);
  for (const id of TASKS) await node.client.create(orderFor(id));
  const { call, acks, send, end } = openReports(t, node);
  const COUNT = 5000;
  for (let seq = 1; seq <= COUNT; seq++) {
    const taskId = TASKS[seq % TASKS.length] ?? '';
    send(seq, { task_id: taskId, status: 'running', log_offset: seq });
  }
  call.end();
  t.match(await end, { code: GrpcStatus.OK }, 'a half closed stream gets its answers and ends in order');
  t.equal(acks.length, COUNT);
  t.equal(new Set(acks.map(({ seq }) => seq)).size, COUNT);
  t.ok(acks.every(({ is_success }) => is_success));
  for (const [index, id] of TASKS.entries()) {
    const lastSeq = COUNT - TASKS.length + (index === 0 ? TASKS.length : index);
    t.match(await node.client.status({ task_id: id }), {
      log_offset: lastSeq,
      status: 'running',
      revision: 102,
    });
  }
});

t.test('what is acknowledged is stored', async (t) => {
  const node = await startTalentNode(t);
  await node.client.create(orderFor('a'));
  // Another connection, as another process would have it, sees what is committed and nothing else.
  const store = openSqliteEventStore(`${node.data}/owl.db`);
  t.teardown(() => store.close());
  const stored = async (revision: number) =>
    (await collect(store.readStream('plot_task-a', { from: revision, limit: 1 }))).length === 1;
  const checks: Promise<boolean>[] = [];
  const { send, acks } = openReports(t, node, ({ revision = 0 }) => checks.push(stored(revision)));
  for (let seq = 1; seq <= 200; seq++) send(seq, { task_id: 'a', log_offset: seq });
  await until('all are acknowledged', () => acks.length === 200);
  t.ok((await Promise.all(checks)).every(Boolean));
  t.equal(checks.length, 200);
});

t.test('refused reports are told in-band, and the stream goes on', async (t) => {
  const node = await startTalentNode(t);
  await node.client.create(orderFor('a'));
  const { send, ack, call, end } = openReports(t, node);
  const refused: [status: PlotTaskStatus | undefined, msg: RegExp][] = [
    [{ task_id: 'nobody' }, /^task nobody does not exist; create it first$/],
    [{ task_id: 'no id' }, /^task_id: must be/],
    [undefined, /^task_id: is missing$/],
    [{}, /^task_id: is missing$/],
    [{ task_id: 'a', status: 'sleeping' }, /^status: must be one of/],
    [
      { task_id: 'a', plot_details: { progress: Number.NaN } },
      /^plot_details\.progress: must be a finite number/,
    ],
    [{ task_id: 'a', for_attempt: 2 }, /is at attempt 1/],
    [{ task_id: 'a', command_id: 'no id' }, /^command_id: must be/],
    [{ task_id: 'a', finished_time: 5 }, /^finished_time: must be a time/],
  ];
  for (const [index, [status, msg]] of refused.entries()) {
    const seq = index + 1;
    if (status === undefined) call.write({ seq });
    else send(seq, status);
    const answer = await ack(seq);
    t.match(answer, { msg, seq });
    t.notOk(answer.is_success);
    t.notOk(answer.retryable, 'the same again would be refused again');
  }
  send(100, { task_id: 'a', status: 'started' });
  t.match(await ack(100), { is_success: true, msg: 'recorded', revision: 2 });
  send(101, { task_id: 'a', status: 'started' });
  t.match(await ack(101), { is_success: true, msg: 'nothing new', revision: 2 });
  send(0, { task_id: 'a', remarks: 'a number of 0 is a number' });
  t.match(await ack(0), { is_success: true, revision: 3 });
  call.end();
  t.match(await end, { code: GrpcStatus.OK });
});

t.test('a report that found no room may come again', async (t) => {
  const node = await startTalentNode(t, { config: { 'limits.mailbox': '2' } });
  await node.client.create(orderFor('a'));
  const { send, acks } = openReports(t, node);
  for (let seq = 1; seq <= 300; seq++) send(seq, { task_id: 'a', log_offset: seq });
  await until('all are answered', () => acks.length === 300);
  const full = acks.filter(({ is_success }) => is_success !== true);
  t.ok(full.length > 0);
  for (const ack of full) t.match(ack, { retryable: true, msg: /send this one again later/ });
  const { revision } = await node.client.status({ task_id: 'a' });
  t.equal(revision, 300 - full.length);
});

t.test(
  'no more reports are taken from a peer that leaves its answers unread, until it reads on',
  async (t) => {
    const node = await startTalentNode(t);
    for (const id of TASKS) await node.client.create(orderFor(id));
    const { call, acks, send } = openReports(t, node);
    call.pause();
    const COUNT = 8000;
    for (let seq = 1; seq <= COUNT; seq++)
      send(seq, { task_id: TASKS[seq % TASKS.length] ?? '', log_offset: seq });
    const taken = async () =>
      Math.max(...(await node.tasks('plot_task_status_all')).map((task) => task.log_offset ?? 0));
    let [before, since] = [0, Date.now()];
    await until('nothing more is taken', async () => {
      const now = await taken();
      if (now > before) [before, since] = [now, Date.now()];
      return before > 0 && Date.now() - since > 500;
    });
    t.ok(before < COUNT, `${before} of ${COUNT} are taken`);
    call.resume();
    await until('all are answered', () => acks.length === COUNT);
    t.ok(acks.every(({ is_success }) => is_success));
    t.equal(await taken(), COUNT);
  },
);

t.test('a peer that goes away leaves what was taken, and no trace in the log', async (t) => {
  const node = await startTalentNode(t);
  await node.client.create(orderFor('a'));
  for (let time = 0; time < 5; time++) {
    const { call, send, acks } = openReports(t, node);
    const before = (await node.client.status({ task_id: 'a' })).log_offset ?? 0;
    for (let n = 1; n <= 2000; n++) send(n, { task_id: 'a', log_offset: before + n });
    await until('some are acknowledged', () => acks.length > 0);
    call.cancel();
    const newest = Math.max(...acks.map(({ seq = 0 }) => seq));
    const { log_offset = 0 } = await node.client.status({ task_id: 'a' });
    t.ok(log_offset >= before + newest, 'at least what was acknowledged');
  }
  t.match(await node.client.update({ task_id: 'a', remarks: 'still there' }), { is_success: true });
  t.same([...node.log.messages('error'), ...node.log.messages('warn')], []);
});

t.test('reports of two streams about one task do not get lost', async (t) => {
  const node = await startTalentNode(t);
  await node.client.create(orderFor('a'));
  const supervisor = openReports(t, node);
  const logReceiver = openReports(t, node);
  for (let seq = 1; seq <= 500; seq++) {
    supervisor.send(seq, { task_id: 'a', remarks: `remark ${seq}` });
    logReceiver.send(seq, { task_id: 'a', log_offset: seq });
  }
  await until(
    'all are acknowledged',
    () => supervisor.acks.length === 500 && logReceiver.acks.length === 500,
  );
  t.match(await node.client.status({ task_id: 'a' }), {
    remarks: 'remark 500',
    log_offset: 500,
    revision: 1000,
  });
});
