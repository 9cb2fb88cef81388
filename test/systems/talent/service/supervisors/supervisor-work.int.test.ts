/** The stream that pushes a supervisor its work: what waits, what to stop, what no longer holds, each once and at once. */

import t from 'tap';
import type { SupervisorWork } from '../../../../../src/systems/talent/wire/messages.js';
import { orderFor } from '../../../../support/talent-node.js';
import { until } from '../../../../support/until.js';
import { LEASE, type Leasing, startLeasing } from '../../support/leasing.js';

/** Follows the work of `w` for a session until that ends. */
function working({ client }: Leasing, sessionId: string) {
  const pushed: string[] = [];
  const works: SupervisorWork[] = [];
  const ending = new AbortController();
  const ended = (async () => {
    for await (const work of client.work({ worker_id: 'w', session_id: sessionId }, ending.signal)) {
      works.push(work);
      pushed.push(
        work.kind === 'READY' ? 'READY' : `${work.kind} ${work.task?.task_id} ${work.task?.attempt}`,
      );
    }
  })();
  // Whoever awaits it sees the failure; until then it is nobody's.
  ended.catch(() => undefined);
  return {
    pushed,
    works,
    ended,
    /** Waits until so much was pushed and answers all of it. */
    after: async (count: number) => {
      await until(`${count} were pushed`, () => pushed.length >= count);
      return pushed;
    },
    stop: () => ending.abort(),
  };
}

t.test('work is pushed at once, first what is there', async (t) => {
  const leasing = await startLeasing(t);
  const { client, attach, task } = leasing;
  await attach('s1');
  await task('received', 'received');
  await task('pending', 'pending', { remarks: 'no room' });
  await task('running', 'running');
  await task('stopping', 'stopping');
  await task('failed', 'failed');
  await client.create(orderFor('elsewhere', { worker_id: 'other' }));

  const work = working(leasing, 's1');
  const first = ['START received 1', 'START pending 1', 'STOP stopping 1', 'READY'];
  t.same(await work.after(4), first);
  t.match(work.works[1]?.task, { status: 'pending', remarks: 'no room', plot_details: { cache1: '/ssd/1' } });

  await client.create(orderFor('new', { worker_id: 'w' }));
  t.same((await work.after(5)).at(-1), 'START new 1');
  await client.stop({ task_id: 'running' });
  t.same((await work.after(6)).at(-1), 'STOP running 1');
  await client.stop({ task_id: 'received' });
  t.same((await work.after(7)).at(-1), 'WITHDRAWN received 1');
  await client.retry({ task_id: 'received' });
  t.same((await work.after(8)).at(-1), 'START received 2');
  await client.update({ task_id: 'pending', status: 'failed', remarks: 'cache is missing' });
  t.same((await work.after(9)).at(-1), 'WITHDRAWN pending 1');
  await client.retry({ task_id: 'failed' });
  t.same((await work.after(10)).at(-1), 'START failed 2');
  await client.update({ task_id: 'failed', status: 'finished' });
  t.same((await work.after(11)).at(-1), 'WITHDRAWN failed 2', 'also when others have made it');
  work.stop();
  await work.ended;
});

t.test('what was pushed is not pushed again', async (t) => {
  const leasing = await startLeasing(t);
  const { client, attach, task } = leasing;
  await attach('s1');
  const work = working(leasing, 's1');
  await work.after(1);
  await task('a', 'received');
  await work.after(2);
  for (let loop = 0; loop < 5; loop++)
    await client.update({ task_id: 'a', status: 'pending', remarks: `full ${loop}` });
  await client.update({ task_id: 'a', status: 'started', plot_pid: 7 });
  await client.update({ task_id: 'a', status: 'running' });
  await client.stop({ task_id: 'a' });
  t.same(await work.after(3), ['READY', 'START a 1', 'STOP a 1']);
  await client.update({ task_id: 'a', remarks: 'stopping takes its time' });
  await client.update({ task_id: 'a', status: 'stopped' });
  await client.retry({ task_id: 'a' });
  t.same(await work.after(4), ['READY', 'START a 1', 'STOP a 1', 'START a 2']);

  const again = working(leasing, 's1');
  t.same(await again.after(2), ['START a 2', 'READY'], 'a new stream begins with what is there');
  for (const one of [work, again]) {
    one.stop();
    await one.ended;
  }
});

t.test('a session that was replaced or has detached is told nothing any more', async (t) => {
  const leasing = await startLeasing(t);
  const { client, attach, beat, task, advance, untilStatus } = leasing;
  await attach('s1');
  const first = working(leasing, 's1');
  await first.after(1);
  advance(LEASE);
  await untilStatus('lost');
  await task('a', 'received');
  await first.after(2);
  await beat('s1');
  t.same(first.pushed, ['READY', 'START a 1'], 'a session that is lost still has its stream');

  await attach('s2');
  await t.rejects(first.ended, { kind: 'refused', message: /attached by another session \(s2\)/ });
  const second = working(leasing, 's2');
  await second.after(2);
  await task('b', 'received');
  t.same(await second.after(3), ['START a 1', 'READY', 'START b 1']);
  t.notOk(first.pushed.includes('START b 1'), 'so that nothing is started twice');

  await client.detach({ worker_id: 'w', session_id: 's2' });
  await t.rejects(second.ended, { kind: 'refused', message: /is not attached/ });
});
