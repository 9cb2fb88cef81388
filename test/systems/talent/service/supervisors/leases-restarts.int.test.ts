/** Leases over restarts of talent: its own silence is nobody's fault. */

import t from 'tap';
import { until } from '../../../../support/until.js';
import { GIVE_UP, isoAfter, LEASE, type Leasing, startLeasing } from '../../support/leasing.js';

/** Stops the talent, lets time pass, and starts it again on the same data. */
async function restart(
  t: Parameters<typeof startLeasing>[0],
  before: Leasing,
  seconds: number,
): Promise<Leasing> {
  await before.stop();
  before.advance(seconds);
  return await startLeasing(t, { data: before.data }, before.clock);
}

t.test('an attached supervisor has a full lease from the restart on', async (t) => {
  const before = await startLeasing(t);
  await before.attach('s1');
  await before.task('a', 'running');
  const after = await restart(t, before, 3600);
  t.match(await after.supervisor(), { status: 'attached' });
  after.advance(LEASE - 1);
  await after.beat('s1');
  after.advance(LEASE - 1);
  await after.beat('s1');
  t.same(await after.events(), ['Attached'], 'the same session goes on');
  t.same(await after.look('a'), ['running', undefined]);

  after.advance(LEASE);
  await after.untilStatus('lost');
  t.match((await after.look('a'))[1], /has not been heard of since/);
});

t.test('a supervisor that is not heard of after the restart is lost', async (t) => {
  const before = await startLeasing(t);
  await before.attach('s1');
  await before.task('a', 'running');
  const after = await restart(t, before, 10);
  await after.supervisor();
  after.advance(LEASE);
  await after.untilStatus('lost');
  t.match(await after.supervisor(), { lost_time: Date.UTC(2024, 0, 1) / 1000 + 10 + LEASE });
});

t.test('a lost supervisor stays lost over a restart, and the time is counted anew', async (t) => {
  const before = await startLeasing(t);
  await before.attach('s1');
  await before.task('a', 'running', { remarks: 'slow disk' });
  await before.task('b', 'running');
  before.advance(LEASE);
  await before.untilStatus('lost');

  const after = await restart(t, before, GIVE_UP - LEASE);
  t.match(await after.supervisor(), { status: 'lost' });
  t.match((await after.look('a'))[1], `fails as lost at ${isoAfter(LEASE + GIVE_UP)}`);
  after.advance(GIVE_UP - 1);
  t.match((await after.look('a'))[0], 'running', 'what the node before has counted counts no more');
  await after.untilFailed('a', 'b');
});

t.test('a lost supervisor returns to a restarted talent', async (t) => {
  const before = await startLeasing(t);
  await before.attach('s1');
  await before.task('a', 'running', { remarks: 'slow disk' });
  before.advance(LEASE);
  await before.untilStatus('lost');
  const after = await restart(t, before, 100);
  await after.beat('s1');
  await after.untilStatus('attached');
  t.same(await after.look('a'), ['running', 'slow disk']);
  after.advance(LEASE - 1);
  await after.beat('s1');
  t.same(await after.events(), ['Attached', 'Lost', 'Returned']);
});

t.test('a supervisor that was to be given up while talent was away gets the time once more', async (t) => {
  const before = await startLeasing(t);
  await before.attach('s1');
  await before.task('saved', 'running', { remarks: 'slow disk' });
  before.advance(LEASE);
  await before.untilStatus('lost');

  const after = await restart(t, before, GIVE_UP + 3600);
  const again = `fails as lost at ${new Date(after.clock.now() + GIVE_UP * 1000).toISOString()} unless it returns`;
  t.match((await after.look('saved'))[0], 'running');
  after.advance(LEASE);
  await until('the time is told', async () => (await after.look('saved'))[1]?.endsWith(again) === true);
  t.match((await after.look('saved'))[1], `supervisor w has not been heard of since ${isoAfter(LEASE)}; `);
  await after.beat('s1');
  await after.untilStatus('attached');
  t.same(await after.look('saved'), ['running', 'slow disk']);
});

t.test('and fails its tasks when it does not use it', async (t) => {
  const before = await startLeasing(t);
  await before.attach('s1');
  await before.task('a', 'running');
  before.advance(LEASE);
  await before.untilStatus('lost');
  const after = await restart(t, before, GIVE_UP + 3600);
  after.advance(GIVE_UP - 1);
  t.match((await after.look('a'))[0], 'running');
  await after.untilFailed('a');
  t.match((await after.look('a'))[1], /^lost: supervisor w has not been heard of since/);
});
