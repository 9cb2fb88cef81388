/** Commands over the wire: racing, repeated, wrong, too many; and what the service is to its surroundings. */

import { once } from 'node:events';
import { join } from 'node:path';
import { Client, credentials, status as GrpcStatus } from '@grpc/grpc-js';
import t from 'tap';
import type { PlotTaskStatus } from '../../../../src/systems/talent/wire/messages.js';
import { collect } from '../../../support/events.js';
import { methodNamed, orderFor, startTalentNode } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';
import { OldPeer } from '../support/fleet-contract.js';

t.test('of 64 creates at once one succeeds, and the others are told', async (t) => {
  const { address, client } = await startTalentNode(t);
  const { task_id, plot_config } = { plot_config: undefined, ...orderFor('a') };
  const overlords = Array.from({ length: 64 }, (_, n) => ({
    peer: new OldPeer(address),
    plot_config: { ...Object.fromEntries(Object.entries(plot_config ?? {})), cache1: `/ssd/${n}` },
  }));
  const answers = await Promise.all(
    overlords.map(({ peer, plot_config: config }) =>
      peer.call('plot_task_create', {
        task_id,
        plot_config: { ...config, dest: { type: 'nfs', path: '/d' } },
      }),
    ),
  );
  const won = answers.findIndex(({ is_success }) => is_success === true);
  const lost = answers.filter(({ is_success }) => is_success !== true);
  t.equal(lost.length, 63);
  for (const { type, msg } of lost)
    t.same([type, msg], ['on_create', 'task a exists already and is received']);
  t.equal((await collect(client.history({ task_id: 'a' }))).length, 1, 'one event');
  const { plot_details } = await client.status({ task_id: 'a' });
  t.equal(plot_details?.cache1, `/ssd/${won}`, 'that of the one who was told so');
});

t.test('a command sent again with its id changes nothing and gets its first answer', async (t) => {
  const node = await startTalentNode(t);
  const { client } = node;
  const create = { ...orderFor('a'), command_id: 'c-1' };
  const first = await client.create(create);
  t.match(first, { is_success: true, revision: 0 });
  await client.update({ task_id: 'a', remarks: 'no room' });
  t.same(await client.create(create), first, 'while a new command would be refused');
  t.match(await client.create({ ...create, command_id: 'c-2' }), { is_success: false });

  const stop = { task_id: 'a', reason: 'sold', command_id: 'c-3' };
  const stopped = await client.stop(stop);
  const retry = { task_id: 'a', command_id: 'c-4' };
  const retried = await client.retry(retry);
  t.match(
    [stopped, retried],
    [
      { is_success: true, revision: 2 },
      { is_success: true, revision: 3 },
    ],
  );
  t.same(await client.stop(stop), stopped, 'the stop was for the attempt before');
  t.same(await client.retry(retry), retried);
  t.match(await client.status({ task_id: 'a' }), { status: 'received', attempt: 2, revision: 3 });

  const report = { task_id: 'a', remarks: 'x', command_id: 'c-5' };
  const reported = await client.update(report);
  await client.update({ task_id: 'a', remarks: 'y' });
  const { is_success, revision } = await client.update(report);
  t.same([is_success, revision], [true, reported.revision]);
  t.match(await client.status({ task_id: 'a' }), { remarks: 'y' });

  const many = await Promise.all(
    Array.from({ length: 20 }, () => client.update({ ...report, command_id: 'c-6' })),
  );
  t.equal(new Set(many.map((one) => one.revision)).size, 1, 'also all at once');

  await node.stop();
  const again = await startTalentNode(t, { data: node.data });
  t.same(await again.client.create(create), first, 'also after a restart');
});

t.test('a task goes from its order to its end and round again', async (t) => {
  const { client, talent } = await startTalentNode(t);
  t.match(await client.create(orderFor('a', { worker_id: 'w-7' })), { type: 'on_create', is_success: true });
  const steps: [report: PlotTaskStatus, status: string][] = [
    [{ status: 'pending', remarks: 'no room' }, 'pending'],
    [{ status: 'started', plot_pid: 7, log_pid: 8 }, 'started'],
    [{ status: 'running', plot_details: { progress: 12.5 } }, 'running'],
  ];
  for (const [report, status] of steps) {
    t.match(await client.update({ task_id: 'a', ...report }), { is_success: true });
    t.match(await client.status({ task_id: 'a' }), { status, existed: true, worker_id: 'w-7' });
  }
  t.match(await client.stop({ task_id: 'a', reason: 'sold' }), { type: 'on_stop', is_success: true });
  t.match(await client.stop({ task_id: 'a' }), { is_success: true }, 'again is no error');
  await client.update({ task_id: 'a', status: 'stopped', exit_code: 0, exit_signal: 'SIGTERM' });
  t.match(await client.status({ task_id: 'a' }), {
    status: 'stopped',
    exit_code: 0,
    exit_signal: 'SIGTERM',
    remarks: 'sold',
  });
  t.match(await client.retry({ task_id: 'a', reason: 'new disk' }), { type: 'on_retry', is_success: true });
  const again = await client.status({ task_id: 'a' });
  t.match(again, { status: 'received', attempt: 2, remarks: 'new disk', worker_id: 'w-7' });
  t.same([again.exit_code, again.plot_pid, again.started_time], [undefined, undefined, undefined]);

  const late = await client.update({ task_id: 'a', for_attempt: 1, status: 'running' });
  t.match(late, { is_success: false, msg: /is at attempt 2/ });
  t.match(await client.update({ task_id: 'a', for_attempt: 2, status: 'pending' }), { is_success: true });
  t.not(talent.workerId, 'w-7');
});

t.test('plot_task_status without a task is about the tasks of this node', async (t) => {
  const { client, talent } = await startTalentNode(t);
  for (const id of ['a', 'b', 'c']) await client.create(orderFor(id));
  await client.create(orderFor('elsewhere', { worker_id: 'other' }));
  await client.stop({ task_id: 'b' });
  const all = await client.status({});
  t.match(all, { worker_id: talent.workerId, tasks: [{ task_id: 'a' }, { task_id: 'b' }, { task_id: 'c' }] });
  t.equal(all.tasks?.length, 3);
  const waiting = await client.status({ status: 'received' });
  t.same(
    waiting.tasks?.map(({ task_id }) => task_id),
    ['a', 'c'],
  );
  const { tasks = [] } = await client.status({ status: 'failed' });
  t.same(tasks, []);
  t.same(await client.status({ status: 'sleeping' }), { worker_id: talent.workerId }, 'none has such a one');
});

t.test('a worker id that is configured is the node own', async (t) => {
  const { client, talent } = await startTalentNode(t, { config: { worker_id: 'plotter-07' } });
  t.equal(talent.workerId, 'plotter-07');
  await client.create(orderFor('a'));
  t.match(await client.status({ task_id: 'a' }), { worker_id: 'plotter-07' });
});

t.test('more commands for one task than fit into its mailbox are told to come again', async (t) => {
  const { client, ask } = await startTalentNode(t, { config: { 'limits.mailbox': '4' } });
  await client.create(orderFor('a'));
  const outcomes = await Promise.allSettled(
    Array.from({ length: 200 }, (_, n) => ask('plot_task_update', { task_id: 'a', log_offset: n + 1 })),
  );
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  t.ok(refused.length > 0, `${refused.length} refused`);
  for (const error of refused)
    t.match(error, {
      code: GrpcStatus.RESOURCE_EXHAUSTED,
      details: /plot_task-a has 4 commands waiting; send this/,
    });
  const { revision = 0 } = await client.status({ task_id: 'a' });
  t.equal(revision, 200 - refused.length, 'what was acknowledged is there, and nothing else');
  t.match(await client.update({ task_id: 'a', remarks: 'later' }), { is_success: true });
});

t.test('a taken address is refused, and nothing is left behind', async (t) => {
  const { address } = await startTalentNode(t);
  const data = join(t.testdir(), 'second');
  const listen = { config: { listen: address }, data };
  await t.rejects(startTalentNode(t, listen), {
    kind: 'refused',
    message: `can't listen on ${address}`,
  });
  const second = await startTalentNode(t, { data });
  t.match(
    await second.client.create(orderFor('a')),
    { is_success: true },
    'its data directory is free again',
  );
});

t.test('a second talent on the same data directory is refused', async (t) => {
  const { data } = await startTalentNode(t);
  await t.rejects(startTalentNode(t, { data }), {
    kind: 'refused',
    message: `in use by process ${process.pid}`,
  });
});

t.test('a talent that stops ends its streams, and its data can be opened again', async (t) => {
  const node = await startTalentNode(t);
  await node.client.create(orderFor('a'));
  const watching = collect(node.client.watch({})).catch((error: unknown) => error);
  const report = node.client.reports();
  t.match(await report.send({ task_id: 'a', remarks: 'x' }), { is_success: true });
  const before = node.talent.status();
  t.match(before, { caughtUp: true });
  await node.talent.stop();
  await watching;
  t.same(node.log.messages('error'), []);
  t.same(node.log.messages('warn'), []);
  report.close();

  const again = await startTalentNode(t, { data: node.data });
  t.equal(again.talent.workerId, node.talent.workerId, 'it is the same node');
  t.match(await again.client.status({ task_id: 'a' }), { remarks: 'x', revision: 1 });
});

t.test('a talent stops though peers keep their streams open', async (t) => {
  const node = await startTalentNode(t);
  await node.client.create(orderFor('a'));
  const { path, requestSerialize, responseDeserialize } = methodNamed('plot_task_report');
  const channel = new Client(node.address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  t.teardown(() => channel.close());
  const call = channel.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  call.on('error', () => undefined);
  const ended = new Promise((resolve) => call.on('status', resolve));
  const acknowledged = once(call, 'data');
  call.write({ seq: 1, status: { task_id: 'a', remarks: 'x' } });
  await acknowledged;
  let stopped = false;
  void node.talent.stop().then(() => {
    stopped = true;
  });
  await until('it has stopped', () => stopped);
  await ended;
  t.same(node.log.messages('error'), []);
  const again = await startTalentNode(t, { data: node.data });
  t.match(await again.client.status({ task_id: 'a' }), { remarks: 'x' });
});
