import t from 'tap';
import { Backoff } from '../../src/base/backoff.js';
import { every, retry } from '../../src/base/repeat.js';
import { ManualClock } from '../support/manual-clock.js';
import { until } from '../support/until.js';

t.test('every: at once, then a pause after the end of each time, until it is aborted', async (t) => {
  const clock = new ManualClock();
  const abort = new AbortController();
  let begun = 0;
  let finish = () => {};
  const running = every({ clock, pauseMs: 10, signal: abort.signal }, () => {
    begun += 1;
    return new Promise((resolve) => {
      finish = resolve;
    });
  });
  t.equal(begun, 1);
  clock.advance(100);
  t.equal(begun, 1, 'slow work does not run twice at once');
  finish();
  await until('the pause has begun', () => clock.pending === 1);
  clock.advance(9);
  t.equal(begun, 1);
  clock.advance(1);
  await until('it came again', () => begun === 2);
  abort.abort();
  finish();
  await running;
  t.equal(begun, 2);
  t.equal(clock.pending, 0);
});

t.test('every: does nothing once aborted, and ends with what the work throws', async (t) => {
  const clock = new ManualClock();
  await every({ clock, pauseMs: 1, signal: AbortSignal.abort() }, () => void t.fail());
  const failing = every({ clock, pauseMs: 1, signal: new AbortController().signal }, () => {
    throw new Error('no');
  });
  await t.rejects(failing, { message: 'no' });
});

t.test('retry: until it succeeds, with growing pauses, telling each failure', async (t) => {
  const clock = new ManualClock();
  const backoff = new Backoff({ firstMs: 10, random: () => 1 });
  const told: unknown[] = [];
  let tries = 0;
  const options = { clock, backoff, failed: (error: unknown) => told.push(error) };
  const { signal } = new AbortController();
  const answer = retry({ ...options, signal }, () => {
    tries += 1;
    if (tries < 3) throw tries;
    return 'done';
  });
  await until('the first pause', () => clock.pending === 1);
  clock.advance(10);
  await until('the second', () => told.length === 2 && clock.pending === 1);
  clock.advance(19);
  t.equal(tries, 2);
  clock.advance(1);
  t.equal(await answer, 'done');
  t.same(told, [1, 2]);
  t.equal(backoff.next(), 10, 'the next failure waits as the first did');
});

t.test('retry: undefined once aborted, and a failure that comes after is nobody’s', async (t) => {
  const clock = new ManualClock();
  const abort = new AbortController();
  const failed = () => t.fail();
  const answer = retry({ clock, backoff: new Backoff(), signal: abort.signal, failed }, async () => {
    abort.abort();
    throw new Error('too late');
  });
  t.equal(await answer, undefined);
  t.equal(clock.pending, 0);
});
