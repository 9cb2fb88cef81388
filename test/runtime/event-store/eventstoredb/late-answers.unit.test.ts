/** When an append without an answer is looked for: when it is late, and not because all are slow. */

import t from 'tap';
import {
  type LateAnswer,
  LateAnswers,
} from '../../../../src/runtime/event-store/eventstoredb/appends/late-answers.js';
import { ManualClock } from '../../../support/manual-clock.js';

/** A look that is over is known to be. */
const turn = () => new Promise(setImmediate);

function expecting() {
  const clock = new ManualClock();
  const answers = new LateAnswers(clock);
  const looks: string[] = [];
  const send = (name: string) =>
    answers.expect(async () => {
      looks.push(`${name} at ${clock.monotonic()}`);
    });
  return { clock, answers, looks, send };
}

t.test('nothing is looked for while answers come in order, however slow each is', async (t) => {
  const { clock, answers, looks, send } = expecting();
  const underWay: LateAnswer[] = [];
  for (let n = 0; n < 200; n++) {
    underWay.push(send(`append ${n}`));
    clock.advance(50);
    // Each has its answer after five seconds.
    const oldest = n < 100 ? undefined : underWay.shift();
    if (oldest !== undefined) answers.end(oldest, true);
    await turn();
  }
  t.strictSame(
    looks.filter((look) => Number(look.split(' at ')[1]) > 5_000),
    [],
  );
  t.equal(clock.pending, 1, 'with one timer for all of them');
});

t.test('one that others overtake is looked for, and only that one', async (t) => {
  const { clock, answers, looks, send } = expecting();
  const dropped = send('dropped');
  for (let n = 0; n < 100; n++) {
    const other = send('another');
    clock.advance(30);
    answers.end(other, true);
    await turn();
  }
  t.match(looks[0], /^dropped at [234]\d\d$/, 'soon');
  t.ok(looks.length >= 2 && looks.length <= 4, `and now and then: ${looks}`);
  t.ok(looks.every((look) => look.startsWith('dropped')));
  const before = looks.length;
  answers.end(dropped, false);
  for (let n = 0; n < 10; n++) {
    clock.advance(1_000);
    await turn();
  }
  t.equal(looks.length, before, 'not once it is over');
  t.equal(clock.pending, 0);
});

t.test('where no answers come at all, all are looked for, with growing pauses', async (t) => {
  const { clock, looks, send } = expecting();
  send('a');
  send('b');
  for (let passedMs = 0; passedMs < 5_000; passedMs += 50) {
    clock.advance(50);
    await turn();
  }
  for (const name of ['a', 'b']) {
    const of = looks.filter((look) => look.startsWith(name));
    t.equal(of[0], `${name} at 200`);
    t.ok(of.length >= 3 && of.length <= 7, `${of}`);
  }
});

t.test('one look at a time, and one that finds nothing is followed by another', async (t) => {
  const clock = new ManualClock();
  const answers = new LateAnswers(clock);
  const looks: (() => void)[] = [];
  answers.expect(() => new Promise<void>((resolve) => looks.push(resolve)));
  const passes = async () => {
    for (let n = 0; n < 20; n++) {
      clock.advance(500);
      await turn();
    }
  };
  await passes();
  t.equal(looks.length, 1, 'it takes its time');
  looks[0]?.();
  await passes();
  t.equal(looks.length, 2);
});

t.test('answers that wait while the process is held up are read before it is judged by them', async (t) => {
  const { clock, answers, looks, send } = expecting();
  const held = send('held');
  clock.pause(5_000);
  answers.end(held, true);
  await turn();
  t.strictSame(looks, []);
});
