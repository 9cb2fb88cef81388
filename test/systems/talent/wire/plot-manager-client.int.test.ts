/** The client against a real talent: answers, streams, errors, and what happens while talent is away. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OwlError } from '../../../../src/base/errors.js';
import type { PlotTaskEventMessage } from '../../../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { UnreachableError } from '../../../../src/wire/call-error.js';
import { type RunningTalent, runTalent } from '../../../support/running-talent.js';

const PLOT_CONFIG = {
  ksize: 32,
  threads: 2,
  buffer: 4000,
  cache1: '/cache',
  dest: { type: 'local', path: '/dest' },
} as const;

async function prepare(t: Test): Promise<{ talent: RunningTalent; client: PlotManagerClient }> {
  const talent = await runTalent(join(t.testdir(), 'data'));
  const client = new PlotManagerClient({ server: talent.address });
  t.teardown(async () => {
    client.close();
    await talent.stop();
  });
  return { talent, client };
}

async function historyOf(client: PlotManagerClient, taskId: string): Promise<PlotTaskEventMessage[]> {
  const events: PlotTaskEventMessage[] = [];
  for await (const event of client.history({ task_id: taskId })) events.push(event);
  return events;
}

t.test('answers and in-band refusals come as they are', async (t) => {
  const { client } = await prepare(t);
  t.match(await client.create({ task_id: 'a', plot_config: PLOT_CONFIG }), { is_success: true });
  t.match(await client.create({ task_id: 'a', plot_config: PLOT_CONFIG }), {
    is_success: false,
    msg: /exists already/,
  });
  t.match(await client.status({ task_id: 'a' }), { status: 'received', attempt: 1 });
  t.not((await client.status({ task_id: 'b' })).existed, true);
});

t.test('pages gives every task once, and no more than asked for', async (t) => {
  const { client } = await prepare(t);
  for (const id of ['a', 'b', 'c']) await client.create({ task_id: id, plot_config: PLOT_CONFIG });
  const ids: (string | undefined)[] = [];
  for await (const page of client.pages({}, 2)) ids.push(...page.map(({ task_id }) => task_id));
  t.same(ids, ['a', 'b']);
});

t.test('an error of talent keeps its kind and its message', async (t) => {
  const { talent, client } = await prepare(t);
  await t.rejects(client.heartbeat({ worker_id: talent.workerId, session_id: 's' }), {
    kind: 'refused',
    message: /attach/,
  });
});

t.test('work comes at once, and leaving the loop ends the call', async (t) => {
  const { client } = await prepare(t);
  const session = { session_id: 'session-1' };
  await client.attach(session);
  await client.create({ task_id: 'a', plot_config: PLOT_CONFIG });
  const seen: unknown[] = [];
  for await (const { kind, task } of client.work(session)) {
    seen.push([kind, task?.task_id]);
    if (kind === 'READY') await client.create({ task_id: 'b', plot_config: PLOT_CONFIG });
    if (task?.task_id === 'b') break;
  }
  t.same(seen, [
    ['START', 'a'],
    ['READY', undefined],
    ['START', 'b'],
  ]);
});

t.test('a stream ends without an error when its signal aborts', async (t) => {
  const { client } = await prepare(t);
  const ending = new AbortController();
  let changes = 0;
  for await (const { initial_complete } of client.watch({}, ending.signal)) {
    changes += 1;
    if (initial_complete) ending.abort();
  }
  t.equal(changes, 1);
});

t.test('nobody there: the error says so, and the same client works once talent is there', async (t) => {
  const { talent, client } = await prepare(t);
  await talent.stop();
  await t.rejects(client.supervisors(), { kind: 'unavailable', message: /no talent answers at/ });
  await t.rejects(client.supervisors(), UnreachableError);
  await talent.start();
  let answered = false;
  while (!answered) {
    answered = await client.supervisors().then(
      () => true,
      (error: unknown) => {
        if (error instanceof UnreachableError) return false;
        throw error;
      },
    );
  }
  t.ok(answered);
});

t.test('an open stream ends with an error when talent goes away', async (t) => {
  const { talent, client } = await prepare(t);
  const watching = (async () => {
    for await (const { initial_complete } of client.watch({})) if (initial_complete) void talent.stop();
  })();
  // Talent ends its streams in order when it stops in order, so either is good: what matters is that it does not hang.
  await watching.catch((error: unknown) => t.ok(error instanceof OwlError));
});

t.test('reports: acknowledged in the order of each task, refusals included', async (t) => {
  const { client } = await prepare(t);
  const reports = client.reports();
  t.teardown(() => reports.close());
  await client.create({ task_id: 'a', plot_config: PLOT_CONFIG });
  await client.create({ task_id: 'b', plot_config: PLOT_CONFIG });
  const acks = await Promise.all([
    reports.send({ task_id: 'a', status: 'pending', remarks: 'one' }),
    reports.send({ task_id: 'a', remarks: 'two' }),
    reports.send({ task_id: 'b', status: 'failed', remarks: 'three' }),
    reports.send({ task_id: 'a', for_attempt: 7, remarks: 'never' }),
    reports.send({ task_id: 'a', remarks: 'four' }),
  ]);
  t.same(
    acks.map(({ is_success, revision }) => [is_success ?? false, revision]),
    [
      [true, 1],
      [true, 2],
      [true, 1],
      [false, undefined],
      [true, 3],
    ],
  );
  t.match(acks[3]?.msg, /attempt 7 changes nothing/);
});

t.test('reports sent while talent is away arrive when it is back, each once and in order', async (t) => {
  const { talent, client } = await prepare(t);
  const reports = client.reports();
  t.teardown(() => reports.close());
  await client.create({ task_id: 'a', plot_config: PLOT_CONFIG });
  await reports.send({ task_id: 'a', status: 'pending', remarks: 'before', command_id: 'c0' });
  await talent.stop();
  const waiting = [1, 2, 3].map((n) => reports.send({ task_id: 'a', remarks: `${n}`, command_id: `c${n}` }));
  await talent.start();
  for (const { is_success } of await Promise.all(waiting)) t.equal(is_success, true);
  const remarks = (await historyOf(client, 'a')).map(({ data = '{}' }) => JSON.parse(data).remarks);
  t.same(remarks, [undefined, 'before', '1', '2', '3']);
});

t.test('closing gives up what has no answer', async (t) => {
  const { talent, client } = await prepare(t);
  const reports = client.reports();
  await talent.stop();
  const sending = reports.send({ task_id: 'a' });
  reports.close();
  await t.rejects(sending, { kind: 'unavailable', message: /closed/ });
  await t.rejects(reports.send({ task_id: 'a' }), { kind: 'unavailable', message: /closed/ });
  client.close();
  await t.rejects(client.supervisors(), { kind: 'unavailable', message: /closed here/ });
});
