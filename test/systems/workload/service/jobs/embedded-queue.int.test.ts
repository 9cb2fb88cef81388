/** The queue without a broker keeps the contract of queues. */

import t, { type Test } from 'tap';
import { workload } from '../../../../../projections/workload/workload.js';
import type { JsonObject } from '../../../../../src/runtime/event-store/event-store.js';
import { EmbeddedQueue } from '../../../../../src/systems/workload/service/jobs/embedded-queue.js';
import { JobQueries } from '../../../../../src/systems/workload/service/jobs/job-queries.js';
import { Offers } from '../../../../../src/systems/workload/service/jobs/offers.js';
import { jobQueueContract } from '../../../../contract/job-queue.js';
import { propose } from '../../../../support/events.js';
import { logLines } from '../../../../support/log-lines.js';
import { ManualClock } from '../../../../support/manual-clock.js';
import { projecting } from '../../../../support/projecting.js';
import { until } from '../../../../support/until.js';
import { queueWorld } from '../../support/queue-world.js';

const PASSES_MS = 2_000;

const order = (rank: number, executable = 'wc'): JsonObject => ({
  ...{ seq: 0, level: 1, executable, rank, device_type: 'cpu', mode: 'map', retries: 1 },
  data_out_url: 'file:///out',
  inputs: [{ uid: 'f', dataset_uid: 'd', idx: 0, file_name: 'a', path: 'a' }],
  outputs: [{ uid: 'o', dataset_uid: 'd', idx: 0, file_name: 'a.j0' }],
  log: { uid: 'l', dataset_uid: 'd', idx: 0, file_name: 'a.j0.log' },
});

jobQueueContract(t, async (t) => {
  const clock = new ManualClock();
  const make = (queries: JobQueries, offers: Offers) =>
    new EmbeddedQueue(queries, offers, clock, logLines().logger);
  return await queueWorld(t, make, () => clock.advance(PASSES_MS));
});

class CountedQueries extends JobQueries {
  looks = 0;

  override queued(...asked: Parameters<JobQueries['queued']>) {
    this.looks += 1;
    return super.queued(...asked);
  }

  override pilotsThatServe() {
    this.looks += 1;
    return super.pilotsThatServe();
  }

  override underWay() {
    this.looks += 1;
    return super.underWay();
  }
}

/** Jobs that are queued already, the first one with the largest rank, and pilots with what each may run. */
async function withQueued(t: Test, jobs: readonly string[], pilots: Readonly<Record<string, string>>) {
  const { store, db, projector } = projecting(t);
  const model = projector(workload);
  await model.start();
  const queries = new CountedQueries(db);
  const offers = new Offers(queries, { memoryOf: () => undefined });
  const queue = new EmbeddedQueue(queries, offers, new ManualClock(), logLines().logger);
  t.teardown(() => queue.stop());
  const given: string[] = [];
  const happens = async (
    stream: string,
    ...events: readonly (readonly [type: string, data: JsonObject])[]
  ) => {
    const proposed = events.map(([type, data]) => propose(data, { type }));
    const stored = await store.append(stream, 'any', proposed);
    await model.caughtUpTo(await store.head());
    offers.observe(stored.events);
    queue.observe(stored.events);
  };
  for (const [i, executable] of jobs.entries())
    await happens(
      `wl_job-j${i}`,
      ['JobCreated', order(1_000 - i, executable)],
      ['JobQueued', { queue: 'cpu', batch: 'b' }],
    );
  for (const [name, executable] of Object.entries(pilots)) {
    await happens(`wl_pilot-${name}`, [
      'PilotAttached',
      {
        ...{ peer_id: name, session_id: 's', lease_seconds: 60, attached_time: 1, node_id: 'n' },
        ...{ device_type: 'cpu', slots: 2, executables: [executable] },
      },
    ]);
    const consumer = { pilot: name, sessionId: 's', device: 'cpu' };
    queue.consume({ ...consumer, deliver: ({ job }) => given.push(`${name} ${job}`) });
  }
  const granted = (uid: string, pilot: string) =>
    happens(`wl_job-${uid}`, [
      'JobClaimed',
      { pilot, session_id: 's', claim_id: uid, attempt: 1, cur_retry: 0, lease_seconds: 60 },
    ]);
  return { queries, queue, given, happens, granted };
}

const FINISHED: readonly [string, JsonObject] = [
  'JobFinished',
  {
    ...{ attempt: 1, exit_code: 0, outputs: [], wall_seconds: 1 },
    log: { uid: 'l', file_name: 'a', path: 'a', size: '1', check_sum: 'x', sha256: 'y' },
  },
];

t.test('one look at the rows serves many', async (t) => {
  const all = Array.from({ length: 40 }, () => 'wc');
  const { queries, given, happens, granted } = await withQueued(t, all, { p: 'wc' });
  for (let i = 0; i < 40; i++) {
    await until(`job ${i} is given`, () => given.length > i);
    await granted(`j${i}`, 'p');
    await happens(`wl_job-j${i}`, FINISHED);
  }
  t.same(
    given,
    all.map((_, i) => `p j${i}`),
  );
  t.ok(queries.looks <= 5, `${queries.looks} looks for 40 jobs`);
});

t.test('what waits for one program stands in the way of no other', async (t) => {
  const all = [...Array.from({ length: 210 }, () => 'wc'), 'sort'];
  const { given } = await withQueued(t, all, { p: 'wc', q: 'sort' });
  await until('all slots that can be taken are', () => given.length === 3);
  t.same(given.sort(), ['p j0', 'p j1', 'q j210']);
});

t.test('a job that is gone by then is not given, and one of a larger rank goes before others', async (t) => {
  const { given, happens, granted } = await withQueued(t, ['wc', 'wc', 'wc', 'wc'], { p: 'wc' });
  await until('two are given', () => given.length === 2);
  await happens('wl_job-j2', ['JobCancelled', { reason: 'wrong', processes_ended: 0 }]);
  await happens('wl_job-late', ['JobCreated', order(2_000)], ['JobQueued', { queue: 'cpu', batch: 'b' }]);
  for (const uid of ['j0', 'j1']) {
    await granted(uid, 'p');
    await happens(`wl_job-${uid}`, FINISHED);
  }
  await until('two more are given', () => given.length === 4);
  t.same(given.slice(2), ['p late', 'p j3']);
});
