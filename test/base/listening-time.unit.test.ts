/** The time in which a process could hear others: what counts of a pause, a sleep and a clock that is set. */

import t from 'tap';
import { systemClock } from '../../src/base/clock.js';
import { ListeningTime } from '../../src/base/listening-time.js';
import { ManualClock } from '../support/manual-clock.js';

const HOUR_MS = 3_600_000;

function listening() {
  const clock = new ManualClock();
  const time = new ListeningTime(clock);
  const heldUp: number[] = [];
  time.onHeldUp((ms) => heldUp.push(ms));
  const rang: string[] = [];
  const alarm = (name: string, delayMs: number) => time.after(delayMs, () => rang.push(name));
  return { clock, time, heldUp, rang, alarm };
}

t.test('an alarm rings when it is due, to the millisecond', async (t) => {
  const { clock, time, rang, alarm, heldUp } = listening();
  alarm('late', 30_000);
  clock.advance(7);
  alarm('early', 1234);
  const cancel = alarm('cancelled', 1000);
  cancel();
  clock.advance(1233);
  t.same(rang, []);
  clock.advance(1);
  t.same(rang, ['early']);
  clock.advance(30_000 - 1241 - 1);
  t.same(rang, ['early']);
  clock.advance(1);
  t.same(rang, ['early', 'late']);
  t.equal(time.now(), 30_000);
  t.same(heldUp, []);
  t.equal(clock.pending, 0, 'and nothing ticks while nobody waits');
});

t.test('a pause counts as a moment, and is told before anything rings', async (t) => {
  const { clock, time, rang, alarm } = listening();
  const order: string[] = [];
  time.onHeldUp((ms) => order.push(`held up ${ms}`));
  alarm('a', 30_000);
  time.after(400, () => order.push('rang'));
  clock.advance(300);
  clock.pause(5 * HOUR_MS);
  t.same(order, [`held up ${5 * HOUR_MS - 100}`, 'rang']);
  t.ok(time.now() < 1_000, 'the rest of one slice');
  t.same(rang, []);
  clock.advance(29_000);
  t.same(rang, []);
  clock.advance(1_000);
  t.same(rang, ['a']);
});

t.test('setting the wall clock counts for nothing, in both directions', async (t) => {
  for (const step of [5 * HOUR_MS, -5 * HOUR_MS]) {
    const { clock, heldUp, rang, alarm } = listening();
    alarm('a', 30_000);
    clock.advance(10_000);
    clock.step(step);
    clock.advance(19_999);
    t.same(rang, []);
    clock.advance(1);
    t.same(rang, ['a']);
    t.same(heldUp, []);
  }
});

t.test('sleep of the machine is a hold-up, though its running clock stood still', async (t) => {
  const { clock, time, heldUp, rang, alarm } = listening();
  alarm('a', 30_000);
  clock.advance(10_000);
  clock.sleep(8 * HOUR_MS);
  t.equal(time.now(), 10_000);
  clock.advance(500);
  t.same(heldUp, [8 * HOUR_MS]);
  clock.advance(19_499);
  t.same(rang, []);
  clock.advance(1);
  t.same(rang, ['a']);
});

t.test('what is set while something rings, and waits that end early', async (t) => {
  const { clock, time, rang } = listening();
  const over = new AbortController();
  const waits = [time.wait(2_000, over.signal), time.wait(1_000, over.signal)];
  time.after(100, () => {
    rang.push('first');
    time.after(100, () => rang.push('second'));
  });
  clock.advance(199);
  t.same(rang, ['first']);
  clock.advance(1);
  t.same(rang, ['first', 'second']);
  clock.advance(800);
  await waits[1];
  over.abort();
  await Promise.all(waits);
  await time.wait(1_000, over.signal);
  clock.advance(1_000);
  t.equal(clock.pending, 0);
});

t.test("the system's clock knows three times", async (t) => {
  const before = { running: systemClock.monotonic(), boot: systemClock.sinceBoot() };
  await new Promise<void>((resolve) => {
    const awake = setTimeout(() => undefined, 10_000);
    systemClock.after(30, () => {
      clearTimeout(awake);
      resolve();
    });
  });
  t.ok(systemClock.monotonic() - before.running >= 29);
  t.ok(systemClock.sinceBoot() - before.boot >= 10, 'a tick of the kernel is 10 ms');
  t.ok(Math.abs(systemClock.now() - Date.now()) < 1_000);
  t.ok(systemClock.sinceBoot() > systemClock.monotonic(), 'the machine is older than this process');
});

t.test('while nobody can be heard no time counts, for each reason there is', async (t) => {
  const { clock, time, rang, alarm, heldUp } = listening();
  alarm('lease', 1000);
  clock.advance(400);
  const hear = time.deafen();
  clock.advance(HOUR_MS);
  const hearOther = time.deafen();
  hear();
  hear();
  clock.advance(HOUR_MS);
  t.same([rang, heldUp], [[], []]);
  t.equal(time.now(), 400);
  hearOther();
  t.same(heldUp, [2 * HOUR_MS], 'then it is told as one hold-up');
  clock.advance(599);
  t.same(rang, []);
  clock.advance(1);
  t.same(rang, ['lease']);
});
