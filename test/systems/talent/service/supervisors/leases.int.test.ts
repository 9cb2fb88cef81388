/** The leases of supervisors: attached, silent, lost, back, replaced, gone; and what becomes of their tasks. */

import t from 'tap';
import { collect } from '../../../../support/events.js';
import { orderFor } from '../../../../support/talent-node.js';
import { GIVE_UP, isoAfter, LEASE, startLeasing } from '../../support/leasing.js';

const SINCE = `supervisor w has not been heard of since ${isoAfter(LEASE)}`;
const FAILS = `${SINCE}; fails as lost at ${isoAfter(LEASE + GIVE_UP)} unless it returns`;
const WAITS = `${SINCE}; waiting for its return`;

t.test('heartbeats keep a lease and are no events', async (t) => {
  const { client, clock, beat, supervisor, events, advance } = await startLeasing(t);
  const lease = await client.attach({
    worker_id: 'w',
    session_id: 's1',
    lease_seconds: LEASE,
    host: 'h',
    pid: 7,
  });
  const now = () => clock.now() / 1000;
  t.match(lease, {
    worker_id: 'w',
    session_id: 's1',
    status: 'attached',
    lease_seconds: LEASE,
    expires_at: now() + LEASE,
  });
  for (let beats = 0; beats < 10; beats++) {
    advance(LEASE - 1);
    t.match(await client.heartbeat({ worker_id: 'w', session_id: 's1' }), { expires_at: now() + LEASE });
  }
  t.match(await supervisor(), {
    status: 'attached',
    host: 'h',
    pid: 7,
    attached_time: Date.UTC(2024, 0, 1) / 1000,
  });
  t.same(await events(), ['Attached']);
  await beat('s1');
  t.match(
    await client.attach({ session_id: 'mine' }),
    { lease_seconds: 30 },
    'this node, for the default time',
  );
});

t.test(
  'a supervisor that goes silent marks its tasks, and takes the mark back when it returns',
  async (t) => {
    const leasing = await startLeasing(t);
    const { client, attach, beat, task, look, supervisor, events, advance, untilStatus } = leasing;
    await attach('s1');
    await task('received', 'received');
    await task('pending', 'pending', { remarks: 'no room' });
    await task('running', 'running', { remarks: 'slow disk' });
    await task('stopping', 'stopping');
    await task('finished', 'finished');
    await client.create(orderFor('elsewhere', { worker_id: 'other' }));

    advance(LEASE - 1);
    t.match(await supervisor(), { status: 'attached' });
    advance(1);
    await untilStatus('lost');
    t.same(await look('received'), ['received', WAITS]);
    t.same(await look('pending'), ['pending', WAITS]);
    t.same(await look('running'), ['running', FAILS]);
    t.same(await look('stopping'), ['stopping', FAILS]);
    t.same(await look('finished'), ['finished', undefined]);
    t.same(await look('elsewhere'), ['received', 'no supervisor has attached as worker other; there are w']);
    t.match(await supervisor(), { lost_time: Date.UTC(2024, 0, 1) / 1000 + LEASE });

    advance(GIVE_UP - 1);
    await beat('s1');
    await untilStatus('attached');
    t.same(await look('received'), ['received', undefined]);
    t.same(await look('pending'), ['pending', 'no room']);
    t.same(await look('running'), ['running', 'slow disk']);
    t.same(await look('stopping'), ['stopping', 'stopped on request']);
    t.same(await events(), ['Attached', 'Lost', 'Returned']);
    for (let beats = 0; beats < 30; beats++) {
      advance(LEASE - 1);
      await beat('s1');
    }
    t.same(await look('running'), ['running', 'slow disk'], 'and nothing fails later');
  },
);

t.test('tasks of a supervisor that stays lost fail as lost, those that wait only wait', async (t) => {
  const { attach, task, look, advance, untilStatus, untilFailed } = await startLeasing(t);
  await attach('s1');
  for (const status of ['received', 'pending', 'started', 'running', 'stopping']) await task(status, status);
  advance(LEASE);
  await untilStatus('lost');
  advance(GIVE_UP - 1);
  t.same(await look('running'), ['running', FAILS], 'not a second too early');
  await untilFailed('started', 'running', 'stopping');
  for (const status of ['started', 'running', 'stopping']) {
    t.same(await look(status), ['failed', `lost: ${SINCE}`]);
  }
  t.same(await look('received'), ['received', WAITS]);
  t.same(await look('pending'), ['pending', WAITS]);
});

t.test('how long a supervisor may stay lost is configured', async (t) => {
  const config = { 'leases.give_up_seconds': '5', 'leases.default_seconds': '3' };
  const { client, task, advance, untilStatus, untilFailed } = await startLeasing(t, { config });
  t.match(await client.attach({ worker_id: 'w', session_id: 's1' }), { lease_seconds: 3 });
  await task('a', 'running');
  advance(3);
  await untilStatus('lost');
  await untilFailed('a');
});

t.test('what is said while the supervisor is lost stays said', async (t) => {
  const { client, attach, beat, task, look, advance, untilStatus, untilFailed } = await startLeasing(t);
  await attach('s1');
  await task('a', 'running', { remarks: 'slow disk' });
  await task('b', 'running');
  advance(LEASE);
  await untilStatus('lost');
  await client.stop({ task_id: 'a', reason: 'make room' });
  await client.update({ task_id: 'b', remarks: 'seen by its log receiver' });
  await beat('s1');
  await untilStatus('attached');
  t.same(await look('a'), ['stopping', 'make room']);
  t.same(await look('b'), ['running', 'seen by its log receiver']);

  advance(LEASE);
  await untilStatus('lost');
  await client.update({ task_id: 'b', remarks: 'again' });
  await untilFailed('b');
  t.match((await look('b'))[1], /^lost: supervisor w has not been heard of since/);
});

t.test('a new session replaces the old one', async (t) => {
  const { client, attach, beat, task, look, events, advance, untilStatus } = await startLeasing(t);
  await attach('s1');
  await attach('s1');
  t.same(await events(), ['Attached'], 'the same session again renews its lease');
  await task('a', 'running', { remarks: 'slow disk' });

  await attach('s2');
  const replaced = {
    kind: 'refused',
    message: /attached by another session \(s2\), which has replaced this one; attach/,
  };
  await t.rejects(beat('s1'), replaced);
  await t.rejects(client.detach({ worker_id: 'w', session_id: 's1' }), replaced);
  await t.rejects(collect(client.work({ worker_id: 'w', session_id: 's1' })), replaced);
  await beat('s2');

  advance(LEASE);
  await untilStatus('lost');
  await t.rejects(beat('s1'), replaced, 'also while s2 is lost');
  await attach('s3');
  await untilStatus('attached');
  t.same(await look('a'), ['running', 'slow disk'], 'a new session takes the mark back');
  t.same(await events(), ['Attached', 'Attached', 'Lost', 'Attached']);

  await attach('s3', 60);
  t.same((await events()).length, 5, 'another length of the lease is news');
  advance(LEASE + 1);
  await beat('s3');
  await untilStatus('attached');
});

t.test('who detaches is not lost', async (t) => {
  const { client, attach, beat, task, look, supervisor, events, advance, untilStatus } =
    await startLeasing(t);
  const gone = { kind: 'refused', message: 'supervisor w is not attached; attach with supervisor_attach' };
  await t.rejects(beat('s1'), gone);
  await attach('s1');
  await task('a', 'running', { remarks: 'slow disk' });
  await client.detach({ worker_id: 'w', session_id: 's1', reason: 'update' });
  await client.detach({ worker_id: 'w', session_id: 's1' });
  t.match(await supervisor(), { status: 'detached', remarks: 'update' });
  await t.rejects(beat('s1'), gone);
  advance(LEASE + GIVE_UP);
  t.same(await look('a'), ['running', 'slow disk']);
  t.same(await events(), ['Attached', 'Detached']);

  await attach('s2');
  advance(LEASE);
  await untilStatus('lost');
  await client.detach({ worker_id: 'w', session_id: 's2' });
  await untilStatus('detached');
  t.same(await look('a'), ['running', 'slow disk'], 'it was heard of, if only to say good-bye');
  advance(LEASE + GIVE_UP);
  t.same(await look('a'), ['running', 'slow disk']);
});
