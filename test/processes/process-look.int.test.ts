/** One look at all processes of the machine, for all who ask at that moment: what it costs, and that it misses nobody. */

import { spawn } from 'node:child_process';
import t, { type Test } from 'tap';
import { identifyProcess, type ProcessIdentity } from '../../src/base/process-identity.js';
import { type GivenPid, lastPidGiven, ProcessAges } from '../../src/processes/process-ages.js';
import { endMarked, ProcessFamily } from '../../src/processes/process-family.js';
import { lookAtProcesses } from '../../src/processes/process-look.js';
import { markOf } from '../../src/processes/records/process-kind.js';
import { countProcessReads } from '../support/counted-calls.js';
import { wakingClock as clock } from '../support/waking-clock.js';
import { JOBS } from './jobs.js';

const { signal } = new AbortController();
const MARK = markOf(JOBS, '/no/record/of/a/look');

const few = new ProcessAges().holdsMs < 100 && 'there are few pids for so many cores';

/** It runs once this comes back. */
function startMarked(t: Test): ProcessIdentity {
  const child = spawn('sleep', ['1000'], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, [MARK.variable]: MARK.value },
  });
  t.teardown(() => child.kill('SIGKILL'));
  const identity = identifyProcess(child.pid ?? 0);
  if (identity === undefined) throw new Error('it does not run');
  return identity;
}

t.test('who asks before a look begins shares it, and who asks later gets another', async (t) => {
  const [first, second] = [lookAtProcesses(), lookAtProcesses(7)];
  t.equal(await first, await second);
  t.not(await lookAtProcesses(), await first);
});

t.test('of attempts that end at one moment all are proven to have ended by one look', async (t) => {
  const me = identifyProcess(process.pid);
  if (me === undefined) throw new Error('there is no /proc');
  const calls = countProcessReads(t);
  const ended = Array.from({ length: 8 }, (_, n) =>
    endMarked(markOf(JOBS, `/no/record/${n}`), clock, signal, { family: new ProcessFamily(me) }),
  );
  // This process is in the family of each, and is never ended.
  t.same(await Promise.all(ended), Array(8).fill(0));
  // One look lists them until nobody new has come; one for each would list them twice each.
  t.ok(calls.listings < 16, `${calls.listings} listings`);
});

t.test('one that begins while they are read is found all the same', async (t) => {
  const calls = countProcessReads(t);
  let late: ProcessIdentity | undefined;
  calls.onFirst = () => {
    late = startMarked(t);
  };
  const found = (await lookAtProcesses()).marked(MARK);
  t.match(found, [late]);
  t.ok(calls.listings > 1);
});

t.test('as long as nobody is started they are listed once', { skip: few }, async (t) => {
  const calls = countProcessReads(t);
  let before: GivenPid;
  // On a busy machine somebody is started as a rule.
  do {
    before = lastPidGiven();
    calls.listings = 0;
    await lookAtProcesses();
  } while (lastPidGiven().pid !== before.pid);
  t.equal(calls.listings, 1);
});

t.test('that nobody was started is known only as long as not every pid may have come again', (t) => {
  const ages = new ProcessAges(30_000, 3);
  const given = (pid: number | undefined, askedAt: number) => ({ pid, askedAt, answeredAt: askedAt });
  t.equal(ages.nobodyCame(given(7, 1_000), given(7, 1_099)), true);
  t.equal(ages.nobodyCame(given(7, 1_000), given(8, 1_001)), false, 'somebody was');
  t.equal(ages.nobodyCame(given(7, 1_000), given(7, 1_100)), false, 'who asked stood still');
  t.equal(ages.nobodyCame(given(undefined, 1_000), given(undefined, 1_001)), false, 'it is not known');
  t.end();
});

t.test('environments of those that are older than what is asked about are not read', async (t) => {
  const early = startMarked(t);
  const calls = countProcessReads(t);
  t.match((await lookAtProcesses(Number(early.startTime))).marked(MARK), [early]);
  const younger = calls.environments;
  await lookAtProcesses();
  t.ok(calls.environments - younger > younger, `${younger} of ${calls.environments - younger} were read`);
  t.same((await lookAtProcesses(Number(early.startTime) + 1)).marked(MARK), []);
});

t.test('who is older than what is asked about is not read again at once', { skip: few }, async (t) => {
  const young = startMarked(t);
  const calls = countProcessReads(t);
  // A busy machine may take longer than that counts.
  do {
    await lookAtProcesses();
    calls.pids = [];
    t.match((await lookAtProcesses(Number(young.startTime))).marked(MARK), [young]);
    t.ok(calls.pids.includes(young.pid));
  } while (calls.pids.includes(1));
});

t.test('an age counts as long as its pid can have no other process', async (t) => {
  const given = (pid: number | undefined, askedAt: number, answeredAt = askedAt) => ({
    ...{ pid, askedAt, answeredAt },
  });
  const read = (most = 30_000, answeredAt = 1_000) => {
    const ages = new ProcessAges(most, 3);
    ages.list([7, 8, 900], given(900, 1_000, answeredAt));
    for (const pid of [7, 8]) ages.note(pid, '50');
    ages.note(900, undefined);
    return ages;
  };
  const listedAgain: readonly [why: string, lastPid: number | undefined, now: number, counts: boolean][] = [
    ['nothing was started', 900, 1_099, true],
    ['others were started', 2_000, 1_099, true],
    ['pids come again from the smallest on', 7, 1_099, false],
    ['it is not known what was started', undefined, 1_099, false],
    ['every pid may have come again', 900, 1_100, false],
  ];
  for (const [why, lastPid, now, counts] of listedAgain) {
    const ages = read();
    ages.list([7, 8, 900], given(lastPid, now));
    t.equal(ages.isOlder(7, 51), counts, why);
  }
  const ages = read();
  ages.list([7, 8, 900], given(7, 1_050));
  t.equal(ages.isOlder(8, 51), true, 'its own was not given out');
  t.equal(ages.isOlder(8, 50), false, 'it is as old');
  t.equal(ages.isOlder(900, 51), false, 'it has ended');
  ages.note(7, '70');
  ages.list([7, 8], given(7, 1_140));
  t.equal(ages.isOlder(8, 51), true, 'from one listing to the next');
  ages.list([7, 8, 100], given(7, 1_150));
  t.equal(ages.isOlder(8, 51), false, 'somebody is there whose pid was not given out');
  const few = read(3_000);
  few.list([7, 8, 900], given(900, 1_010));
  t.equal(few.isOlder(7, 51), false, 'there are few pids');
  const frozen = read(30_000, 9_000);
  frozen.list([7, 8, 900], given(900, 9_050));
  t.equal(frozen.isOlder(7, 51), false, 'who asked stood still in between');
  frozen.list([7, 8, 900], given(900, 9_060, 9_200));
  frozen.note(7, '50');
  frozen.list([7, 8, 900], given(900, 9_100, 9_200));
  t.equal(frozen.isOlder(7, 51), false, 'and once more');
});
