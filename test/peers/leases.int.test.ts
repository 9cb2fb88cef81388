/** Leases at their seams: what crosses a loss, a store that fails, and who follows a session. */

import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { DamagedStreamError, StoreUnavailableError } from '../../src/base/errors.js';
import { ofKind } from '../support/events.js';
import { type Append, LEASE_MS, leaseNodes } from '../support/lease-nodes.js';
import { until } from '../support/until.js';

/** One node; the names of its events are those without who keeps the lease. */
function leasing(t: Test, append?: (proceed: Append) => Append) {
  const { clock, node, events, lost } = leaseNodes(t, append && { append });
  const here = node('here');
  const follow = (sessionId: string) => here.leases.follow('w', sessionId);
  return {
    ...here,
    follow,
    clock,
    node,
    lost,
    events: async () => (await events()).map((event) => event.split(' ')[0]),
  };
}

t.test('a lease that is renewed while it runs out', async (t) => {
  const { clock, attach, beat, events } = leasing(t);
  await attach('s1');
  const renewing = attach('s1');
  clock.advance(LEASE_MS);
  await renewing;
  clock.advance(LEASE_MS - 1);
  await beat('s1');
  t.same(await events(), ['Attached'], 'it was heard before it was judged');
  clock.advance(LEASE_MS);
  await until('it is lost', async () => (await events()).length === 2);
  t.same((await events()).at(-1), 'Lost', 'and the lease is watched as before');
});

t.test('a heartbeat that had arrived when the lease ran out keeps it', async (t) => {
  const { clock, attach, beat, events, observeAll } = leasing(t);
  await attach('s1');
  clock.advance(LEASE_MS);
  await beat('s1');
  t.same(await events(), ['Attached']);
  clock.advance(LEASE_MS - 1);
  await beat('s1');
  await observeAll();
  t.same(await events(), ['Attached'], 'and it is watched as before');
});

t.test('a loss says when its peer was heard last, by who has heard it', async (t) => {
  const { clock, attach, beat, events, observeAll, lost } = leasing(t);
  const attachedAt = clock.now() / 1000;
  await attach('s1');
  clock.advance(LEASE_MS);
  await until('it is lost', async () => (await events()).length === 2);
  t.match(await lost(), { lost_time: attachedAt + LEASE_MS / 1000, heard_time: attachedAt });
  await beat('s1');
  clock.advance(LEASE_MS / 3);
  await beat('s1');
  const heardAt = clock.now() / 1000;
  await observeAll();
  clock.advance(LEASE_MS);
  await until('it is lost again', async () => (await events()).length === 4);
  t.match(await lost(), { heard_time: heardAt });
});

t.test('of a lease that a node has taken up without hearing its peer, nobody knows that', async (t) => {
  const { clock, attach, node, events, lost, leases } = leasing(t);
  await attach('s1');
  leases.stop();
  const next = node('next', { shared: false });
  next.leases.resume({ peerId: 'w', sessionId: 's1', leaseSeconds: LEASE_MS / 1000, nodeId: 'here' }, 0);
  await until('it was taken over', async () => (await events()).length === 2);
  clock.advance(LEASE_MS);
  await until('it is lost', async () => (await events()).length === 3);
  t.notOk('heard_time' in (await lost()));
});

t.test('a heartbeat behind the loss takes it back at once', async (t) => {
  const { clock, attach, beat, events, told } = leasing(t);
  await attach('s1');
  clock.advance(LEASE_MS);
  await until('it is lost', async () => (await events()).length === 2);
  await beat('s1');
  t.same(await events(), ['Attached', 'Lost', 'Returned']);
  t.same(told, ['taken w', 'lost w', 'taken w'], 'who listens to the node hears of each');
});

t.test('another session that attaches while the lease of the old one runs out', async (t) => {
  const { clock, attach, beat, events } = leasing(t);
  await attach('s1');
  const attaching = attach('s2');
  clock.advance(LEASE_MS);
  await attaching;
  await beat('s2');
  t.same(await events(), ['Attached', 'Attached'], 'the old session is replaced, not lost');
});

t.test('a loss whose storing was not confirmed is found by the next heartbeat', async (t) => {
  let lostAnswers = 0;
  const { clock, log, attach, beat, events } = leasing(t, (proceed) => async (stream, expected, proposed) => {
    const appended = await proceed(stream, expected, proposed);
    if (proposed[0]?.type !== 'SupervisorLost' || lostAnswers++ > 0) return appended;
    throw new StoreUnavailableError('the answer was lost', 'unknown');
  });
  await attach('s1');
  clock.advance(LEASE_MS);
  await until('the failure is told', () => log.messages('error').length === 1);
  await beat('s1');
  t.same(await events(), ['Attached', 'Lost', 'Returned']);
  clock.advance(1000);
  await beat('s1');
  t.same(await events(), ['Attached', 'Lost', 'Returned'], 'and is not recorded once more');
});

t.test('a loss that could not be stored is tried again', async (t) => {
  let failures = 2;
  const { clock, log, attach, events } = leasing(t, (proceed) => async (stream, expected, proposed) => {
    if (proposed[0]?.type === 'SupervisorLost' && failures-- > 0) {
      throw new StoreUnavailableError('the disk is full', 'refused');
    }
    return await proceed(stream, expected, proposed);
  });
  await attach('s1');
  clock.advance(LEASE_MS);
  for (const failure of [1, 2]) {
    await until('the failure is told', () => log.messages('error').length === failure);
    t.same(await events(), ['Attached']);
    clock.advance(1000);
  }
  await until('it is stored', async () => (await events()).length === 2);
  t.same(await events(), ['Attached', 'Lost']);
});

t.test('a session that another node replaces is refused and told here', async (t) => {
  const { leases, node, attach, beat, events, observeAll } = leasing(t);
  await attach('s1');
  const following = await leases.follow('w', 's1');
  await node('there').attach('s2');
  t.match(await beat('s1'), { sessionId: 's1' }, 'as long as this node has not heard of it');
  await observeAll();
  await t.rejects(beat('s1'), { kind: 'refused', message: /another session \(s2\)/ });
  await until('who follows is told', () => following.aborted);
  t.match(following.reason, { kind: 'refused', message: /another session \(s2\)/ });

  await attach('s3');
  const last = await leases.follow('w', 's3');
  await observeAll();
  await beat('s3');
  t.same(await events(), ['Attached', 'Attached', 'Attached'], 'old events again change nothing');
  t.notOk(last.aborted);
});

t.test('who follows a session is told when it holds the lease no more', async (t) => {
  const { leases, clock, attach, beat, events } = leasing(t);
  await t.rejects(leases.follow('w', 's1'), { kind: 'refused', message: /is not attached/ });
  await attach('s1');
  const first = await leases.follow('w', 's1');
  t.equal(await leases.follow('w', 's1'), first);
  await attach('s1');
  clock.advance(LEASE_MS);
  await until('it is lost', async () => (await events()).length === 2);
  t.notOk(first.aborted, 'neither a renewal nor a loss ends it');
  await beat('s1');

  await attach('s2');
  t.ok(first.aborted);
  t.match(first.reason, { kind: 'refused', message: /another session \(s2\)/ });
  await t.rejects(leases.follow('w', 's1'), { kind: 'refused', message: /another session \(s2\)/ });

  const second = await leases.follow('w', 's2');
  await t.rejects(leases.detach('w', 's1', undefined, 'test'), ofKind('refused'));
  t.notOk(second.aborted);
  await leases.detach('w', 's2', undefined, 'test');
  t.match(second.reason, { kind: 'refused', message: /is not attached/ });
});

t.test('a lease whose stream is damaged is told once, and not tried again', async (t) => {
  const { clock, log, attach, beat, follow } = leasing(t, (proceed) => async (stream, expected, proposed) => {
    const [event] = proposed;
    if (event?.type === 'SupervisorLost') {
      // What no version of the machine knows, written by a hand that got there first.
      await proceed(stream, 'any', [{ ...event, id: randomUUID(), type: 'Nonsense' }]);
    }
    return await proceed(stream, expected, proposed);
  });
  await attach('s1');
  clock.advance(LEASE_MS);
  await until('it is told', () => log.messages('error').length > 0);
  t.match(log.messages('error'), [/watched no more: what is stored of it is damaged/]);
  for (let retries = 0; retries < 5; retries++) {
    clock.advance(LEASE_MS);
    await t.rejects(follow('s1'), { kind: 'refused', message: /supervisor-w/ });
  }
  t.equal(log.messages('error').length, 1, 'for once');
  await t.rejects(beat('s1'), { kind: 'refused', message: /supervisor-w/ }, 'and its peer hears the reason');
});

t.test('a lease whose stream was mended is watched again', async (t) => {
  let damaged = true;
  const { clock, node, events } = leaseNodes(t, {
    append: (proceed) => async (stream, expected, proposed) => {
      if (damaged && proposed[0]?.type === 'SupervisorLost')
        throw new DamagedStreamError(stream, 0, `revision 0 of ${stream} can't be read`);
      return await proceed(stream, expected, proposed);
    },
  });
  const { attach, observeAll, log } = node('here');
  await attach('s1');
  clock.advance(LEASE_MS);
  await until('it is told', () => log.messages('error').length > 0);
  damaged = false;
  await observeAll();
  await until('its silence is noticed', async () => {
    clock.advance(LEASE_MS);
    return (await events()).at(-1) === 'Lost';
  });
});
