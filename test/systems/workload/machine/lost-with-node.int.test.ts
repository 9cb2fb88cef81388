/** A pilot as a process that is killed and does not come back, with a real node. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../../support/until.js';
import { kill } from '../support/pilot-world.js';
import { FILES, pilotsWithNode as started } from '../support/pilots-with-node.js';

/** Says so when another of the same job lives. */
const ALONE = `
  mkdir "$2/lives-$3" || echo "$3" >>"$2/twice"
  trap 'rmdir "$2/lives-$3"; exit 1' TERM
  echo x >>"$2/starts-$3"
  while [ ! -e "$2/in/go-$3" ]; do sleep 0.05; done
  echo out >"$0"`;

t.test('another runs the job of a pilot that is gone, and never beside what was left of it', async (t) => {
  const times = { lease_seconds: 1, give_up_seconds: 6, margin_seconds: 4 };
  const { storage, pilot, submit, jobsOf, typesOf, ended } = await started(t, times, (storage) => ({
    alone: { argv: ['/bin/sh', '-c', ALONE, '{out}', '{in}', storage, '{job_id}'], environment: [] },
  }));
  const first = await pilot();
  const task = await submit('alone');
  const starts = () => readdirSync(storage).filter((name) => name.startsWith('starts-'));
  const isRunning = async () => (await jobsOf(task)).filter(({ state }) => state === 'running').length === 3;
  await until('three run', isRunning);
  const left = starts();
  await kill(first);
  for (const { uid } of await jobsOf(task))
    if (!left.includes(`starts-${uid}`)) writeFileSync(join(storage, 'in', `go-${uid}`), '');
  await pilot('p2');
  const again = (name: string) => readFileSync(join(storage, name), 'utf8') === 'x\nx\n';
  await until('what was left runs again', () => left.every(again));
  t.notOk(existsSync(join(storage, 'twice')), 'never two at once');
  for (const name of left) writeFileSync(join(storage, 'in', name.replace('starts-', 'go-')), '');
  t.match(await ended(task), { state: 'finished', jobs_finished: FILES });
  for (const { uid, losses = 0, cur_retry, attempt } of await jobsOf(task)) {
    if (!left.includes(`starts-${uid}`)) continue;
    t.same([losses, cur_retry, attempt], [1, 0, 2], 'a loss is no failure of the job');
    t.same(
      (await typesOf(uid)).filter((type) => /Claimed|Started|Failed|Finished/.test(type)),
      [...['JobClaimed', 'JobStarted', 'JobAttemptFailed', 'JobClaimed', 'JobStarted', 'JobFinished']],
    );
  }
});
