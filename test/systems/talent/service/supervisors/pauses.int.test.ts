/** A talent that stood still, or whose wall clock was set: nobody living is lost for it, and nobody dead is hidden. */

import t from 'tap';
import { hearOut } from '../../../../../src/base/listening-time.js';
import { until } from '../../../../support/until.js';
import { GIVE_UP, LEASE, type Leasing, startLeasing } from '../../support/leasing.js';

const HOUR = 3600;

async function running(t: Parameters<typeof startLeasing>[0]): Promise<Leasing> {
  const leasing = await startLeasing(t);
  await leasing.attach('s1');
  await leasing.task('a', 'running', { remarks: 'slow disk' });
  return leasing;
}

t.test('after a pause of any length a living supervisor has a full lease', async (t) => {
  for (const seconds of [LEASE, LEASE + GIVE_UP + 60, 12 * HOUR]) {
    const { clock, beat, look, events, advance } = await running(t);
    advance(LEASE - 1);
    clock.pause(seconds * 1000);
    advance(LEASE - 1);
    for (let looks = 0; looks < 3; looks++) await hearOut();
    t.same(await events(), ['Attached'], 'before it is heard again');
    await beat('s1');
    advance(LEASE - 1);
    t.same(await look('a'), ['running', 'slow disk']);
    t.same(await events(), ['Attached'], `${seconds} s`);
  }
});

t.test('after a night of sleep too', async (t) => {
  const { clock, beat, look, events, advance } = await running(t);
  advance(LEASE - 1);
  clock.sleep(8 * HOUR * 1000);
  advance(LEASE);
  await beat('s1');
  t.same(await look('a'), ['running', 'slow disk']);
  t.same(await events(), ['Attached']);
});

t.test('and a dead one is lost after that lease', async (t) => {
  const { clock, advance, untilStatus, untilFailed } = await running(t);
  clock.pause(12 * HOUR * 1000);
  advance(LEASE + 1);
  await untilStatus('lost');
  await untilFailed('a');
});

t.test('a lost supervisor is not given up by a pause, and comes back', async (t) => {
  const { clock, beat, look, events, advance, untilStatus } = await running(t);
  advance(LEASE);
  await untilStatus('lost');
  clock.pause((GIVE_UP + 20) * 1000);
  clock.pause(12 * HOUR * 1000);
  advance(LEASE);
  t.equal((await look('a'))[0], 'running');
  await beat('s1');
  await untilStatus('attached');
  t.same(await look('a'), ['running', 'slow disk']);
  t.same(await events(), ['Attached', 'Lost', 'Returned']);
});

t.test('a clock that is set forward loses and fails nobody', async (t) => {
  const { clock, beat, look, events, advance, untilStatus } = await running(t);
  clock.step(5 * HOUR * 1000);
  advance(LEASE - 1);
  await beat('s1');
  t.same(await events(), ['Attached']);
  advance(LEASE);
  await untilStatus('lost');
  clock.step(5 * HOUR * 1000);
  advance(GIVE_UP - 1);
  t.equal((await look('a'))[0], 'running');
});

t.test('a clock that is set back hides no dead supervisor', async (t) => {
  const { clock, look, advance, untilStatus, untilFailed } = await running(t);
  advance(1);
  clock.step(-5 * HOUR * 1000);
  advance(LEASE - 1);
  await untilStatus('lost');
  clock.step(-5 * HOUR * 1000);
  advance(GIVE_UP - 1);
  t.equal((await look('a'))[0], 'running');
  const before = clock.monotonic();
  await untilFailed('a');
  t.ok(clock.monotonic() - before < HOUR * 1000, 'in time, not five hours later');
});

t.test('a supervisor that is lost on a clock set back is given up once only', async (t) => {
  const { clock, client, advance, untilStatus, untilFailed, look } = await running(t);
  clock.step(-5 * HOUR * 1000);
  advance(LEASE);
  await untilStatus('lost');
  await untilFailed('a');
  await client.retry({ task_id: 'a' });
  advance(2 * GIVE_UP);
  await until('it waits again', async () => (await look('a'))[0] === 'received');
});
