/** Real programs are cancelled: when their task is called so, none of their processes is left, whatever they do against it. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { identifyProcess } from '../../../../src/base/process-identity.js';
import { until } from '../../../support/until.js';
import { FILES, pilotsWithNode as started } from '../support/pilots-with-node.js';

t.test('a task that is cancelled has ended once nothing of it runs, and stores nothing', async (t) => {
  const { client, storage, pilot, submit, jobsOf, typesOf, ended } = await started(t);
  await pilot();
  const task = await submit('wait');
  await until('some run', () => readdirSync(storage).some((name) => name.startsWith('starts-')));
  await client.orderTask('cancel', { id: task, reason: 'nobody wants it' });
  t.match(await ended(task), { state: 'cancelled', jobs_cancelled: FILES });
  for (const { uid } of await jobsOf(task)) t.equal((await typesOf(uid)).at(-1), 'JobCancelled');
  t.notOk(existsSync(join(storage, 'out', task)) && readdirSync(join(storage, 'out', task)).length > 0);
});

/** Hears no signal that can be ignored, and neither do a child of its own session and the child of that. */
const STUBBORN = `
  trap '' TERM INT HUP
  setsid /bin/sh -c '
    trap "" TERM INT HUP
    setsid /bin/sh -c "trap \\"\\" TERM INT HUP; echo \\$\\$ >>\\"$0/pids\\"; while :; do sleep 0.2; done" &
    echo $$ >>"$0/pids"
    while :; do sleep 0.2; done' "$2" &
  echo $$ >>"$2/pids"
  while :; do sleep 0.2; done`;

t.test('programs that hear no signal, with grandchildren in sessions of their own', async (t) => {
  const config = { lease_seconds: 3, grace_seconds: 1 };
  const { client, storage, pilot, submit, jobsOf, typesOf, eventsOf } = await started(
    t,
    config,
    (storage) => ({
      stubborn: { argv: ['/bin/sh', '-c', STUBBORN, '{out}', '{in}', storage], environment: [] },
    }),
  );
  const pids = () =>
    existsSync(join(storage, 'pids'))
      ? readFileSync(join(storage, 'pids'), 'utf8').trim().split('\n').map(Number)
      : [];
  t.teardown(() => {
    for (const pid of pids()) if (identifyProcess(pid) !== undefined) process.kill(pid, 'SIGKILL');
  });
  await pilot();
  const task = await submit('stubborn');
  await until('three run, with two descendants each', () => pids().length === 9);
  await client.orderTask('cancel', { id: task, reason: 'nobody wants it' });
  t.match(await client.task({ id: task }), { state: 'cancelling' });
  let alive: number[] = [];
  await until('the task is cancelled', async () => {
    const { state } = await client.task({ id: task });
    // Looked at behind the answer: what is alive now was alive then.
    alive = pids().filter((pid) => identifyProcess(pid) !== undefined);
    return state === 'cancelled';
  });
  t.same(alive, [], 'none of them is left');
  t.equal(pids().length, 9, 'and nothing more was started');
  const jobs = await jobsOf(task);
  t.equal(jobs.length, FILES);
  const asked = [];
  for (const { uid = '' } of jobs) {
    const types = await typesOf(uid);
    t.equal(types.at(-1), 'JobCancelled');
    if (!types.includes('JobCancelRequested')) continue;
    asked.push(uid);
    const end = (await eventsOf(uid)).at(-1);
    t.ok(
      Number(end?.data['processes_ended']) >= 3,
      `${String(end?.data['processes_ended'])} of its processes`,
    );
  }
  t.equal(asked.length, 3, 'those that ran were asked to end, the others never began');
});
