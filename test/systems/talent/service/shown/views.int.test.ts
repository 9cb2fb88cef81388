/** What can be seen of tasks: lists in pages, watch streams, histories. */

import { Client, credentials } from '@grpc/grpc-js';
import t from 'tap';
import type {
  PlotTaskChange,
  PlotTaskListRequest,
  PlotTaskStatus,
} from '../../../../../src/systems/talent/wire/messages.js';
import { collect } from '../../../../support/events.js';
import { methodNamed, orderFor, startTalentNode, type TalentNode } from '../../../../support/talent-node.js';
import { until } from '../../../../support/until.js';

async function listed({ client }: TalentNode, request: PlotTaskListRequest): Promise<(string | undefined)[]> {
  const { tasks = [] } = await client.list(request);
  return tasks.map(({ task_id }) => task_id);
}

/** Follows a watch until the test ends or `stop` is called. */
function watching(
  { client }: TalentNode,
  request: object,
  onChange: (change: PlotTaskChange) => void = () => undefined,
) {
  const changes: PlotTaskChange[] = [];
  const ending = new AbortController();
  const done = (async () => {
    for await (const change of client.watch(request, ending.signal)) {
      changes.push(change);
      onChange(change);
    }
  })();
  return {
    changes,
    isReady: () => changes.some(({ initial_complete }) => initial_complete === true),
    stop: async () => {
      ending.abort();
      await done;
    },
  };
}

t.test('lists are filtered', async (t) => {
  const node = await startTalentNode(t);
  const { client, talent } = node;
  await client.create(orderFor('task_a'));
  await client.create(orderFor('task_b', { worker_id: 'w2' }));
  await client.create(orderFor('plot_c', { plot_config: { cache1: '/ssd/2' } }));
  await client.create(orderFor('plot_d', { plot_config: { cache2: '/ssd/2' } }));
  await client.update({ task_id: 'task_b', status: 'running' });
  await client.update({ task_id: 'plot_c', status: 'failed' });

  t.same(await listed(node, {}), ['task_a', 'task_b', 'plot_c', 'plot_d']);
  t.same(await listed(node, { newest_first: true }), ['plot_d', 'plot_c', 'task_b', 'task_a']);
  t.same(await listed(node, { statuses: ['running', 'failed', 'running'] }), ['task_b', 'plot_c']);
  t.same(await listed(node, { worker_id: talent.workerId }), ['task_a', 'plot_c', 'plot_d']);
  t.same(await listed(node, { cache: '/ssd/2' }), ['plot_c', 'plot_d'], 'either cache');
  t.same(await listed(node, { task_id_prefix: 'plot' }), ['plot_c', 'plot_d']);
  t.same(await listed(node, { worker_id: 'w2', statuses: ['received'] }), []);

  const { create_time: middle = 0 } = await client.status({ task_id: 'plot_c' });
  t.same(await listed(node, { created_from: middle }), ['plot_c', 'plot_d']);
  t.same(await listed(node, { created_before: middle }), ['task_a', 'task_b']);
});

t.test('pages go by key and stay right while tasks come and change', async (t) => {
  const node = await startTalentNode(t);
  const { client } = node;
  const ids = Array.from({ length: 50 }, (_, n) => `t${n}`);
  for (const id of ids) await client.create(orderFor(id));

  for (const newest_first of [false, true]) {
    const seen: (string | undefined)[] = [];
    let page_token = '';
    for (let page = 0; ; page++) {
      const { tasks = [], next_page_token = '' } = await client.list({
        page_size: 7,
        page_token,
        newest_first,
      });
      seen.push(...tasks.map(({ task_id }) => task_id));
      await client.create(orderFor(`new-${newest_first}-${page}`));
      await client.update({ task_id: `t${page}`, remarks: `page ${page} of ${newest_first}` });
      page_token = next_page_token;
      if (page_token === '') break;
    }
    t.equal(new Set(seen).size, seen.length, 'none twice');
    const old = seen.filter((id) => ids.includes(id ?? ''));
    t.same(old, newest_first ? ids.toReversed() : ids, 'none left out');
  }

  const all = await listed(node, { page_size: 1000 });
  t.equal(
    (await client.list({ page_size: all.length })).next_page_token,
    undefined,
    'a full last page is the last',
  );
  for (let n = all.length; n < 101; n++) await client.create(orderFor(`more-${n}`));
  t.equal((await client.list({})).tasks?.length, 100, 'a page of 100 unless another size is asked for');
  const { next_page_token = '' } = await client.list({ page_size: 1 });
  await t.rejects(client.list({ page_token: next_page_token, newest_first: true }), {
    kind: 'invalid',
    message: /^page_token: must be the next_page_token of a page in the same order/,
  });
});

t.test('a page stays below what a gRPC peer takes by default', async (t) => {
  const node = await startTalentNode(t);
  const { client, ask } = node;
  const remarks = 'é'.repeat(16_000);
  const ids = Array.from({ length: 200 }, (_, n) => `t${n}`);
  await Promise.all(ids.map((id) => client.create(orderFor(id))));
  await Promise.all(ids.map((task_id) => client.update({ task_id, remarks })));
  const seen: (string | undefined)[] = [];
  for (let page_token = ''; ; ) {
    // This channel has the limit that every peer has unless it asks for more.
    const page: { tasks?: PlotTaskStatus[]; next_page_token?: string } = await ask('plot_task_list', {
      page_size: 1000,
      page_token,
    });
    seen.push(...(page.tasks ?? []).map(({ task_id }) => task_id));
    page_token = page.next_page_token ?? '';
    if (page_token === '') break;
  }
  t.same(new Set(seen), new Set(ids));
  t.equal(seen.length, ids.length);
  const [first] = (await client.list({ page_size: 1 })).tasks ?? [];
  t.equal(first?.remarks, remarks, 'long remarks come whole');
});

t.test('a watch shows what is there, then every change, then what goes', async (t) => {
  const node = await startTalentNode(t);
  const { client } = node;
  await client.create(orderFor('a'));
  await client.create(orderFor('b'));
  await client.update({ task_id: 'b', status: 'failed' });
  const watch = watching(node, { statuses: ['received', 'pending'] });
  await until('the watch is ready', watch.isReady);
  t.match(watch.changes, [
    { task: { task_id: 'a', status: 'received' }, initial: true },
    { initial_complete: true },
  ]);
  t.equal(watch.changes[1]?.task, undefined);

  await client.create(orderFor('c'));
  await until('c is seen', () => watch.changes.length === 3);
  await client.update({ task_id: 'a', status: 'pending', remarks: 'no room' });
  await until('a is pending', () => watch.changes.length === 4);
  await client.update({ task_id: 'b', status: 'failed' });
  await client.update({ task_id: 'a', status: 'started' });
  await until('a is gone', () => watch.changes.length === 5);
  await client.update({ task_id: 'a', remarks: 'not of interest any more' });
  await client.retry({ task_id: 'b' });
  await until('b is back', () => watch.changes.length === 6);
  t.match(watch.changes.slice(2), [
    { task: { task_id: 'c', status: 'received' } },
    { task: { task_id: 'a', status: 'pending', remarks: 'no room' } },
    { task: { task_id: 'a', status: 'started' }, gone: true },
    { task: { task_id: 'b', status: 'received', attempt: 2 } },
  ]);
  t.same(
    watch.changes.slice(2).map(({ initial = false, gone = false }) => [initial, gone]),
    [
      [false, false],
      [false, false],
      [false, true],
      [false, false],
    ],
  );
  await watch.stop();
});

t.test('a watch of some tasks, or of a worker, shows no others', async (t) => {
  const node = await startTalentNode(t);
  const { client } = node;
  await client.create(orderFor('a', { worker_id: 'w1' }));
  const byId = watching(node, { task_ids: ['a', 'later', 'a'] });
  const byWorker = watching(node, { worker_id: 'w2' });
  await until('both are ready', () => byId.isReady() && byWorker.isReady());
  await client.create(orderFor('b', { worker_id: 'w2' }));
  await client.create(orderFor('later', { worker_id: 'w1' }));
  await client.update({ task_id: 'a', remarks: 'x' });
  await client.update({ task_id: 'b', remarks: 'y' });
  const latest = (watch: typeof byId, id: string) =>
    watch.changes.findLast(({ task }) => task?.task_id === id)?.task?.revision;
  await until(
    'all is seen',
    () => latest(byId, 'a') === 1 && latest(byId, 'later') === 0 && latest(byWorker, 'b') === 1,
  );
  t.notOk(byId.changes.some(({ task }) => task?.task_id === 'b'));
  t.notOk(byWorker.changes.some(({ task }) => task !== undefined && task.task_id !== 'b'));
  t.equal(byId.changes.filter(({ initial }) => initial).length, 1);
  await byId.stop();
  await byWorker.stop();
});

t.test('watches that begin in the middle of much work miss nothing', async (t) => {
  const node = await startTalentNode(t);
  const { client } = node;
  const ids = Array.from({ length: 100 }, (_, n) => `t${n}`);
  const UPDATES = 12;
  const work = ids.map(async (task_id, n) => {
    await client.create(orderFor(task_id));
    for (let update = 1; update <= UPDATES; update++)
      await client.update({ task_id, log_offset: update * 1000 + n });
  });
  const watches = [watching(node, {})];
  for (const one of work.slice(0, 5)) {
    await one;
    watches.push(watching(node, {}));
  }
  await Promise.all(work);
  for (const watch of watches) {
    const last = () => new Map(watch.changes.map(({ task }) => [task?.task_id, task?.revision]));
    await until('the last change of every task is seen', () => {
      const revisions = last();
      return ids.every((id) => revisions.get(id) === UPDATES);
    });
    const seen = new Map<string | undefined, number>();
    for (const { task: { task_id, revision = 0 } = {} } of watch.changes) {
      if (revision < (seen.get(task_id) ?? 0)) t.fail(`${task_id} went back to revision ${revision}`);
      seen.set(task_id, revision);
    }
    t.equal(seen.size, ids.length + 1, 'all tasks, and the mark behind the first look');
    await watch.stop();
  }
});

t.test('a slow reader slows nobody, and reads the newest state in the end', async (t) => {
  const node = await startTalentNode(t);
  const { client, address } = node;
  const { path, requestSerialize, responseDeserialize } = methodNamed('plot_task_watch');
  const channel = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  t.teardown(() => channel.close());
  const call = channel.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {});
  call.on('error', () => undefined);
  const last = new Map<string | undefined, PlotTaskStatus>();
  let messages = 0;
  call.on('data', ({ task }: PlotTaskChange) => {
    messages++;
    if (task !== undefined) last.set(task.task_id, task);
  });
  await until('it has begun', () => messages > 0);
  call.pause();

  const ids = Array.from({ length: 20 }, (_, n) => `t${n}`);
  const ROUNDS = 40;
  for (const id of ids) await client.create(orderFor(id));
  for (let round = 1; round <= ROUNDS; round++)
    await Promise.all(
      ids.map((task_id) => client.update({ task_id, remarks: `${round} ${'x'.repeat(10_000)}` })),
    );
  call.resume();
  await until('it has read the last state of all', () =>
    ids.every((id) => last.get(id)?.revision === ROUNDS),
  );
  t.ok(
    messages < ids.length * ROUNDS,
    `${messages} messages instead of ${ids.length * (ROUNDS + 1)}: none is kept twice`,
  );
  for (const id of ids) t.match(last.get(id)?.remarks, /^40 x/);
  call.cancel();
});

t.test('the history of a task is its events', async (t) => {
  const node = await startTalentNode(t);
  const { client } = node;
  await client.create({ ...orderFor('a'), command_id: 'order-1' });
  await client.update({ task_id: 'a', status: 'started', plot_pid: 7 });
  await client.stop({ task_id: 'a', reason: 'sold' });
  const history = await collect(client.history({ task_id: 'a' }));
  t.match(history, [
    { task_id: 'a', type: 'PlotTaskReceived', version: 1, causation_id: 'order-1', by: 'overlord 127.0.0.1' },
    { revision: 1, type: 'PlotTaskPending', by: 'reporter 127.0.0.1' },
    { revision: 2, type: 'PlotTaskStarted' },
    { revision: 3, type: 'PlotTaskStopRequested', data: '{"remarks":"sold"}' },
  ]);
  t.equal(history[1]?.correlation_id, history[2]?.correlation_id);
  t.equal(new Set(history.map(({ event_id }) => event_id)).size, 4);
  t.ok(history.every(({ time = 0 }) => Math.abs(time - Date.now() / 1000) < 60));
  const { plot_pid } = JSON.parse(history[2]?.data ?? '{}');
  t.equal(plot_pid, 7);

  t.same(await collect(client.history({ task_id: 'a', from_revision: 2 })), history.slice(2));
  t.same(await collect(client.history({ task_id: 'a', from_revision: 99 })), []);
  await t.rejects(collect(client.history({ task_id: 'b' })), {
    kind: 'not_found',
    message: 'task b does not exist',
  });
});
