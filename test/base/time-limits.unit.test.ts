/** Limits of time on one timer: each has its time, and timers are few. */

import t from 'tap';
import { TimeLimits } from '../../src/base/time-limits.js';
import { ManualClock } from '../support/manual-clock.js';

t.test('each runs once, at its time, whatever the order they were set in', async (t) => {
  const clock = new ManualClock();
  const limits = new TimeLimits(clock);
  const ran: string[] = [];
  limits.set(300, () => ran.push('late'));
  limits.set(100, () => ran.push('early'));
  limits.set(200, () => ran.push('between'));
  clock.advance(99);
  t.strictSame(ran, []);
  clock.advance(1);
  t.strictSame(ran, ['early']);
  clock.advance(150);
  t.strictSame(ran, ['early', 'between']);
  clock.advance(1_000);
  t.strictSame(ran, ['early', 'between', 'late']);
  t.equal(clock.pending, 0, 'and nothing is left');
});

t.test('one that is ended does not run, also when another one ends it', async (t) => {
  const clock = new ManualClock();
  const limits = new TimeLimits(clock);
  const ran: string[] = [];
  const ended = limits.set(100, () => ran.push('ended'));
  limits.set(100, () => {
    ran.push('ends another');
    limits.end(other);
  });
  const other = limits.set(100, () => ran.push('another'));
  limits.end(ended);
  clock.advance(100);
  t.strictSame(ran, ['ends another']);
});

t.test('one that is set while others run has its time', async (t) => {
  const clock = new ManualClock();
  const limits = new TimeLimits(clock);
  const ran: number[] = [];
  limits.set(500, () => ran.push(500));
  limits.set(100, () => limits.set(50, () => ran.push(150)));
  clock.advance(150);
  t.strictSame(ran, [150]);
  clock.advance(350);
  t.strictSame(ran, [150, 500]);
});

t.test('many that are ended in time arm hardly a timer', async (t) => {
  const clock = new ManualClock();
  let armed = 0;
  const after = clock.after.bind(clock);
  clock.after = (delayMs, run) => {
    armed += 1;
    return after(delayMs, run);
  };
  const limits = new TimeLimits(clock);
  for (let n = 0; n < 1_000; n++) {
    const limit = limits.set(5_000, () => t.fail('it was ended'));
    clock.advance(10);
    limits.end(limit);
  }
  t.equal(armed, 3, 'one at first, and one each time it is over');
});
