/** Rows of jobs that their writer knows: they are not read, and whatever it is wrong about is found out. */

import t, { type Test } from 'tap';
import { begun, job, type World } from './support/world.js';

const CLAIM = { pilot: 'p', session_id: 's', claim_id: 'c', attempt: 1, cur_retry: 0 };
const END = { exit_code: 0, attempt: 1, outputs: [] };

function shown({ rows }: World) {
  return rows('SELECT id, job_id, state, revision FROM job_dat ORDER BY job_id');
}

function counted({ rows }: World) {
  return rows(
    'SELECT jobs_total, jobs_waiting, jobs_running, jobs_finished, jobs_cancelled FROM task_dat',
  )[0];
}

function life({ event }: World, seq: number) {
  const stream = `wl_job-j${seq}`;
  return {
    created: event(stream, 'JobCreated', job(seq)),
    queued: event(stream, 'JobQueued', { queue: 'embedded' }),
    claimed: event(stream, 'JobClaimed', CLAIM),
    started: event(stream, 'JobStarted', {}),
    finished: event(stream, 'JobFinished', {
      ...{ ...END, log: { uid: `l${seq}`, file_name: `l${seq}`, path: `t/l${seq}` } },
    }),
  };
}

t.test('no row of a job is read again', async (t) => {
  const world = begun(t);
  const { created, queued, claimed, started, finished } = life(world, 0);
  world.apply(created);
  const taken = [queued, claimed, started, finished].map((event) => {
    world.statements();
    world.apply(event);
    return world.statements();
  });
  t.same(
    taken,
    [1, 4, 1, 4],
    'its row; its files, its pilot and its task; its row; its input, its log and its task',
  );
  t.same(shown(world), [{ id: 'j0', job_id: 1, state: 'finished', revision: 4 }]);
  t.match(counted(world), { jobs_total: 1, jobs_waiting: 0, jobs_running: 0, jobs_finished: 1 });
});

function assertFollows(t: Test, world: World, given: ReturnType<typeof life>): void {
  world.apply(given.started, given.finished);
  t.match(counted(world), { jobs_waiting: 0, jobs_finished: 1 });
  const files = world.rows(
    `SELECT dsm_file, status FROM file_dat WHERE dsm_file IN ('f1', 'o1', 'l1') ORDER BY file_id`,
  );
  t.same(files, [
    { dsm_file: 'f1', status: 'used' },
    { dsm_file: 'o1', status: 'declared' },
    { dsm_file: 'l1', status: 'available' },
  ]);
}

t.test('what somebody else has written is read', async (t) => {
  const world = begun(t);
  const given = life(world, 1);
  world.apply(given.created, given.queued);
  world.applyElsewhere(given.claimed);
  world.apply(given.claimed);
  t.match(counted(world), { jobs_waiting: 0, jobs_running: 1 }, 'told again it changes nothing');
  assertFollows(t, world, given);
  t.match(counted(world), { jobs_running: 0 });
});

t.test('numbers that were rolled back are others', async (t) => {
  const world = begun(t);
  const [first, other] = [life(world, 1), life(world, 2)];
  world.applyInVain(first.created, first.queued, first.claimed);
  world.applyElsewhere(other.created, other.queued, other.claimed);
  world.applyElsewhere(first.created, first.queued, first.claimed);
  t.match(shown(world), [{ id: 'j2' }, { id: 'j1' }]);
  assertFollows(t, world, first);
  t.match(shown(world), [
    { id: 'j2', state: 'staging', revision: 2 },
    { id: 'j1', state: 'finished', revision: 4 },
  ]);
  t.match(counted(world), { jobs_running: 1 }, 'the other one');
});

t.test('a hole is found, also of a row that is known', async (t) => {
  const world = begun(t);
  const { created, claimed } = life(world, 1);
  world.apply(created);
  t.throws(() => world.apply(claimed), /shows revision 0, and JobClaimed is revision 2/);
});
