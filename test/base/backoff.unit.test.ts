import t from 'tap';
import { Backoff, orAborted, settlesWithin, wait } from '../../src/base/backoff.js';
import { ManualClock } from '../support/manual-clock.js';

t.test('delays double up to the longest, and begin anew after a reset', async (t) => {
  const backoff = new Backoff({ firstMs: 10, longestMs: 100, random: () => 1 });
  const delays = () => Array.from({ length: 6 }, () => backoff.next());
  t.same(delays(), [10, 20, 40, 80, 100, 100]);
  backoff.reset();
  t.same(delays(), [10, 20, 40, 80, 100, 100]);
});

t.test('jitter takes away up to half of a delay', async (t) => {
  const backoff = new Backoff({ firstMs: 10, longestMs: 20, random: () => 0 });
  t.same([backoff.next(), backoff.next(), backoff.next()], [5, 10, 10]);
});

t.test('a wait ends at its time, or at once when it is aborted, and leaves nothing behind', async (t) => {
  const clock = new ManualClock();
  const abort = new AbortController();
  let over = 0;
  const waits = [10, 20].map(async (ms) => {
    await wait(clock, ms, abort.signal);
    over += 1;
  });
  clock.advance(9);
  await Promise.resolve();
  t.equal(over, 0);
  clock.advance(1);
  await waits[0];
  t.equal(over, 1);
  abort.abort();
  await waits[1];
  await wait(clock, 1000, abort.signal);
  t.equal(clock.pending, 0);
});

t.test('what fails once nobody waits for it any more ends nothing', async (t) => {
  const abort = new AbortController();
  abort.abort(new Error('it is over'));
  let fail: (error: Error) => void = () => undefined;
  const failing = new Promise<void>((_, reject) => {
    fail = reject;
  });
  await t.rejects(orAborted(failing, abort.signal), { message: 'it is over' });
  fail(new Error('and this is nobody’s'));
  // An unhandled rejection would end the process by then.
  await new Promise((resolve) => setImmediate(resolve));
});

t.test('whether something is settled in time, either way; late or failed it ends nothing', async (t) => {
  const clock = new ManualClock();
  t.equal(await settlesWithin(clock, 10, Promise.resolve(1)), true);
  t.equal(await settlesWithin(clock, 10, Promise.reject(new Error('it failed'))), true);
  t.equal(clock.pending, 0, 'nothing is left behind');
  let fail: (error: Error) => void = () => undefined;
  const failing = new Promise<void>((_, reject) => {
    fail = reject;
  });
  const isSettled = settlesWithin(clock, 10, failing);
  clock.advance(10);
  t.equal(await isSettled, false);
  fail(new Error('and this is nobody’s'));
  // An unhandled rejection would end the process by then.
  await new Promise((resolve) => setImmediate(resolve));
});
