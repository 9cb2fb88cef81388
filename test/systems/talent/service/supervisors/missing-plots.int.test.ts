/** What talent believes of a machine and what that has: a supervisor says it, and what nobody has fails in time. */

import t from 'tap';
import { until } from '../../../../support/until.js';
import { GIVE_UP, LEASE, startLeasing } from '../../support/leasing.js';

const MISSING =
  /^supervisor w has no plot of it, it said at \S+; fails as lost at \S+ unless one comes that has it$/;

/** A machine with two plots and a task that waits, as talent has them. */
async function withTasks(t: Parameters<typeof startLeasing>[0]) {
  const leasing = await startLeasing(t);
  await leasing.attach('first');
  await leasing.task('waits', 'pending', { remarks: 'no room' });
  await leasing.task('lost', 'running', { remarks: 'slow disk' });
  await leasing.task('kept', 'running');
  const tell = (session_id: string, ...ids: string[]) =>
    leasing.client.plots({
      worker_id: 'w',
      session_id,
      plots: ids.map((task_id) => ({ task_id, attempt: 1 })),
    });
  return { ...leasing, tell };
}

t.test('what a machine does not have fails as lost, whatever else it says of itself', async (t) => {
  const { attach, beat, look, advance, tell } = await withTasks(t);
  await attach('second');
  t.same(await tell('second', 'kept'), { missing: ['lost'] });
  t.match(await look('lost'), ['running', MISSING]);
  t.match(await look('kept'), ['running', undefined]);
  t.match(await look('waits'), ['pending', 'no room'], 'nothing of it was begun');
  t.same(await tell('second', 'kept'), { missing: ['lost'] }, 'as often as it is said');
  await until('lost fails', async () => {
    await beat('second');
    advance(LEASE / 2);
    return (await look('lost'))[0] === 'failed';
  });
  t.match(await look('lost'), ['failed', /^lost: supervisor w has no plot of it, it said at \S+$/]);
  t.match(await look('kept'), ['running', undefined]);
});

t.test('it fails also when the one that came without it has gone again', async (t) => {
  const { client, attach, look, untilFailed, tell } = await withTasks(t);
  await attach('second');
  await tell('second');
  await client.detach({ worker_id: 'w', session_id: 'second', reason: 'wrong machine' });
  t.match(await look('lost'), ['running', MISSING], 'that it goes says nothing of it');
  await untilFailed('lost', 'kept');
});

t.test('whoever has it takes the mark back, by saying so or by a report', async (t) => {
  const { client, attach, look, advance, tell } = await withTasks(t);
  await attach('second');
  await tell('second');
  await client.detach({ worker_id: 'w', session_id: 'second', reason: 'wrong machine' });
  await attach('again');
  t.same(await tell('again', 'lost', 'kept'), {});
  t.match(await look('lost'), ['running', 'slow disk']);
  await tell('again', 'kept');
  t.match(await look('lost'), ['running', MISSING]);
  await client.update({ task_id: 'lost', for_attempt: 1, plot_details: { progress: 50 } });
  t.match(await look('lost'), ['running', 'slow disk']);
  await client.detach({ worker_id: 'w', session_id: 'again', reason: 'done' });
  advance(GIVE_UP + LEASE);
  t.match(
    await look('lost'),
    ['running', 'slow disk'],
    'a supervisor that says good-bye leaves its plots running',
  );
});

t.test('only the session that holds the lease is heard, and an earlier attempt is none', async (t) => {
  const { client, attach, look, tell } = await withTasks(t);
  await attach('second');
  await t.rejects(tell('first'), /another session|holds the lease|not attached|session/);
  t.match(await look('lost'), ['running', 'slow disk']);
  await client.update({ task_id: 'lost', status: 'failed' });
  await client.retry({ task_id: 'lost' });
  await client.update({ task_id: 'lost', status: 'running' });
  t.same(await tell('second', 'lost', 'kept'), { missing: ['lost'] });
});

t.test('what nobody hears can be settled by an operator, and the answer to a stop says so', async (t) => {
  const { client, attach, look, task, untilStatus, advance } = await startLeasing(t);
  await attach('first');
  await task('a', 'running');
  await task('b', 'running');
  await task('c', 'pending');
  const force = { force: true } as const;
  t.match(await client.stop({ task_id: 'a', ...force }), {
    is_success: false,
    msg: /^supervisor w is attached and answers for task a; stop it without force/,
  });
  t.match(await client.fail({ task_id: 'a', reason: 'burned' }), { is_success: false, msg: /is attached/ });
  t.match(await client.stop({ task_id: 'b' }), { is_success: true, msg: /^stop accepted$/ });

  advance(LEASE);
  await untilStatus('lost');
  const advice =
    /^stop accepted; no supervisor of worker w holds a lease, .*`owl plot stop a --force` or `owl plot fail a --reason/;
  t.match(await client.stop({ task_id: 'a' }), { is_success: true, msg: advice });
  t.match(
    await client.stop({ task_id: 'c' }),
    { msg: /^stop accepted$/ },
    'a waiting one is stopped at once',
  );
  t.match(await client.stop({ task_id: 'a', reason: 'burned', ...force }), { is_success: true });
  t.same(await look('a'), ['stopped', 'stopped by force, without word from its machine: burned']);
  t.match(await client.stop({ task_id: 'a', ...force }), { is_success: true }, 'again changes nothing');
  t.match(await client.fail({ task_id: 'b', reason: 'the machine burned', command_id: 'x' }), {
    type: 'on_fail',
    is_success: true,
  });
  t.same(await look('b'), ['failed', 'failed by the operator: the machine burned']);
  t.match(await client.fail({ task_id: 'a', reason: 'x' }), { is_success: false, msg: /is stopped already/ });
  t.match(await client.fail({ task_id: 'nobody', reason: 'x' }), {
    is_success: false,
    msg: /does not exist/,
  });
});
