/** The peer's end of a lease: until when it may act, by a clock that stands still until the test moves it. */

import t from 'tap';
import { OwlError } from '../../../src/base/errors.js';
import { hearOut } from '../../../src/base/listening-time.js';
import { type LeaseCalls, LeaseHolder } from '../../../src/peers/holder/lease-holder.js';
import { GO_ON, type LeasePolicy, type LeaseTerms } from '../../../src/peers/holder/lease-terms.js';
import { ManualClock } from '../../support/manual-clock.js';

const LEASE_MS = 3_000;
const BEAT_MS = LEASE_MS / 3;
const END: LeasePolicy = { kind: 'end', giveUpSeconds: 10, marginSeconds: 4 };
const PAUSE: LeasePolicy = { kind: 'pause', share: 0.9 };

function holding(policy: LeasePolicy, answer: () => Promise<void> = async () => undefined) {
  const clock = new ManualClock();
  const terms: LeaseTerms = { leaseSeconds: LEASE_MS / 1000, policy };
  const happened: string[] = [];
  const deadlines: number[] = [];
  const call = async (name: string): Promise<LeaseTerms> => {
    happened.push(name);
    await answer();
    return terms;
  };
  const calls: LeaseCalls<LeaseTerms> = {
    attach: () => call('attach'),
    beat: () => call('beat'),
    leave: async () => void (await call('leave')),
  };
  const holder = new LeaseHolder({
    calls,
    clock,
    hooks: {
      renewed: (untilMs) => deadlines.push(untilMs),
      end: () => happened.push('end'),
      pause: () => happened.push('pause'),
      resume: () => happened.push('resume'),
      fenced: (reason) => happened.push(`fenced: ${reason}`),
      away: (reason, wasAttached) => happened.push(`away${wasAttached ? '' : ' still'}: ${reason}`),
    },
  });
  holder.start();
  return {
    clock,
    holder,
    happened,
    deadlines,
    /** What happened beside calls. */
    told: () => happened.filter((what) => !['attach', 'beat', 'leave'].includes(what)),
    answers: (how: () => Promise<void>) => {
      answer = how;
    },
    /** In steps, so that what is answered in between is heard. */
    pass: async (ms: number): Promise<void> => {
      await hearOut();
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(Math.min(left, 100));
        await hearOut();
      }
    },
  };
}

const away = async (): Promise<void> => {
  throw new OwlError('unavailable', 'nobody answers');
};
const refused = async (): Promise<void> => {
  throw new OwlError('refused', 'another session holds it');
};

t.test('go on: silence ends nothing, and it attaches again', async (t) => {
  const { holder, pass, answers, told, happened } = holding(GO_ON);
  await pass(10 * LEASE_MS);
  answers(away);
  await pass(100 * LEASE_MS);
  t.ok(holder.mayAct());
  answers(async () => undefined);
  await pass(6_000);
  t.equal(happened.lastIndexOf('attach') > happened.indexOf('away: nobody answers'), true);
  t.same(told().slice(0, 2), ['away: nobody answers', 'away still: nobody answers']);
  await holder.stop('over');
  t.equal(happened.at(-1), 'leave');
});

t.test('end: a margin before it is given up, counted from the sending of what was confirmed', async (t) => {
  const { clock, holder, pass, answers, told, deadlines } = holding(END);
  const began = clock.sinceBoot();
  await pass(0);
  t.same(deadlines, [began + 6_000]);
  // The next heartbeat is sent at 1 s and answered at 1.7 s: it counts from 1 s.
  let arrives = (): void => undefined;
  answers(
    () =>
      new Promise((resolve) => {
        arrives = resolve;
      }),
  );
  await pass(1_700);
  answers(away);
  arrives();
  await pass(0);
  t.same(deadlines, [began + 6_000, began + 7_000]);
  await pass(7_000 - 1_700 - 100);
  t.ok(holder.mayAct(), 'until then it works');
  await pass(100);
  t.notOk(holder.mayAct());
  t.equal(told().at(-1), 'end');
  await holder.ended();
  answers(async () => undefined);
  await pass(LEASE_MS);
  t.equal(told().at(-1), 'end', 'what ended does not begin again');
});

t.test('end: a process that was stopped, or slept, notices before its first act', async (t) => {
  for (const how of ['asked', 'answered', 'left alone'] as const) {
    const { clock, holder, pass, answers, told, happened } = holding(END);
    let arrives = (): void => undefined;
    answers(
      () =>
        new Promise((resolve) => {
          arrives = resolve;
        }),
    );
    await pass(0);
    arrives();
    await pass(BEAT_MS);
    t.equal(happened.at(-1), 'beat', 'one is under way');
    if (how === 'left alone') clock.pause(60_000);
    // No timer has run when it wakes up.
    else clock.sleep(60_000);
    if (how === 'asked') t.notOk(holder.mayAct());
    // Its answer lay in the socket: it says nothing of the minute since.
    if (how === 'answered') arrives();
    await hearOut();
    t.same(told(), ['end'], how);
    t.notOk(holder.mayAct());
  }
});

t.test('pause: before the lease is over, and on again when it is confirmed', async (t) => {
  const { clock, holder, pass, answers, told, happened } = holding(PAUSE);
  await pass(2 * LEASE_MS);
  t.ok(holder.mayAct());
  t.same(told(), []);
  answers(away);
  await pass(LEASE_MS);
  t.notOk(holder.mayAct());
  t.equal(told().filter((what) => what === 'pause').length, 1);
  answers(async () => undefined);
  await pass(BEAT_MS);
  t.equal(told().at(-1), 'resume');
  t.ok(holder.mayAct());
  clock.sleep(0.9 * LEASE_MS);
  t.notOk(holder.mayAct(), 'a stop as long is noticed by the first question');
  t.equal(happened.filter((what) => what === 'attach').length, 1, 'a break is no reason to attach again');
});

t.test('a session that is refused is over, and takes nothing back', async (t) => {
  for (const policy of [END, PAUSE]) {
    const { holder, pass, answers, told, happened } = holding(policy);
    await pass(BEAT_MS);
    answers(refused);
    await pass(BEAT_MS);
    t.same(told(), ['fenced: another session holds it']);
    t.notOk(holder.mayAct());
    const { length } = happened;
    await pass(60_000);
    t.equal(happened.length, length, `${policy.kind}: nothing is asked any more, and nothing ends twice`);
    await holder.stop('over');
    t.equal(happened.length, length, 'there is nothing to give back');
  }
});

t.test('who was never attached tries again, whatever the reason', async (t) => {
  const { holder, pass, answers, told } = holding(END, refused);
  await pass(10_000);
  t.ok(told().length > 2);
  t.equal(new Set(told()).size, 1);
  answers(async () => undefined);
  await pass(6_000);
  t.ok(holder.mayAct());
});

t.test('a node that knows no such peers is a break, and says nothing of who holds the lease', async (t) => {
  const { holder, pass, answers, told } = holding(END);
  await pass(BEAT_MS);
  answers(async () => {
    throw new OwlError('not_found', 'no system of this node has such peers');
  });
  await pass(2 * BEAT_MS);
  t.match(told()[0], /^away: no system/);
  t.ok(holder.mayAct());
  answers(async () => undefined);
  await pass(3 * LEASE_MS);
  t.ok(holder.mayAct());
});
