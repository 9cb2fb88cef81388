/** What a job costs the machine of its pilot, in things that can be counted. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findCgroupPlace } from '../../../../src/processes/cgroup.js';
import { DirectoryFlushes } from '../../../../src/systems/workload/machine/directory-flushes.js';
import { countThreadCalls, type ThreadCalls } from '../../../support/counted-calls.js';
import { farStorage, noFarStorage, TASK_UID, world } from '../support/pilot-world.js';

const JOBS = 6;

/** Jobs one after another, each with an input, an output and a log, and what they cost. */
async function costs(t: Test, storage?: string): Promise<ThreadCalls> {
  const { node, order, input, pilot, directory, stored } = await world(t, storage);
  const running = await pilot({ slots: 1 });
  const inputs = [input('a', 'a')];
  // It makes the directory of its task.
  node.offer(order('first', { inputs, inputs_total: 1 }));
  await node.outcome('first');
  await node.until('it is settled', () => running.status().slots_used === 0);
  const counted = countThreadCalls(t);
  for (let n = 0; n < JOBS; n++) {
    const job = `j${n}`;
    node.offer(order(job, { inputs, inputs_total: 1, attempt: n + 2 }));
    t.match(await node.outcome(job), { finished: { exit_code: 0 } });
    await node.until(`${job} is settled`, () => running.status().slots_used === 0);
    t.same(
      node.of(job).map(({ claim, started }) => (claim && 'claim') ?? (started && 'started') ?? 'finished'),
      ['claim', 'started', 'finished'],
    );
    t.equal(stored()[`${TASK_UID}/out.a${n + 2}.txt`], 'A');
  }
  t.same(directory.payloads.readAll().processes, []);
  const { directory: cgroups = '/no/cgroup' } = findCgroupPlace();
  const ofAttempts = Array.from({ length: JOBS }, (_, n) => {
    const mark = directory.payloads.markOf({ job: `j${n}`, attempt: n + 2 });
    return join(cgroups, mark.cgroup);
  });
  await node.until('their cgroups are gone', () => !ofAttempts.some((one) => existsSync(one)));
  return counted;
}

t.test('a job: three reports, and a flush for each of its files and for their names', async (t) => {
  const { flushes, detours } = await costs(t);
  // Output, log, and the directory that their names are in.
  t.equal(flushes, 3 * JOBS);
  t.comment(`${detours / JOBS} calls on other threads a job`);
  // On a slow machine places are looked at anew before each start: four more.
  t.ok(detours <= 13 * JOBS, `${detours} calls on other threads`);
});

t.test(
  'of a storage on another file system all is asked on other threads',
  { skip: noFarStorage },
  async (t) => {
    const { flushes, detours } = await costs(t, farStorage(t));
    t.equal(flushes, 3 * JOBS);
    t.comment(`${detours / JOBS} calls on other threads a job`);
    t.ok(detours >= 18 * JOBS, `${detours} calls on other threads`);
  },
);

t.test(
  'names of files that are flushed at one moment share a flush that begins after all of them',
  async (t) => {
    const counted = countThreadCalls(t);
    const folder = t.testdir({ a: {}, b: {} });
    const flushes = new DirectoryFlushes();
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    const first = flushes.flush(a);
    t.equal(flushes.flush(a), first, 'it has not begun');
    await Promise.resolve();
    await Promise.resolve();
    const late = [flushes.flush(a), flushes.flush(a), flushes.flush(b)];
    t.not(late[0], first, 'it has begun, and may not hold what came since');
    await Promise.all([first, ...late]);
    t.equal(counted.flushes, 3);
    await t.rejects(flushes.flush(join(folder, 'gone')), { code: 'ENOENT' });
    await t.rejects(flushes.flush(join(folder, 'gone')), { code: 'ENOENT' }, 'and again');
  },
);
