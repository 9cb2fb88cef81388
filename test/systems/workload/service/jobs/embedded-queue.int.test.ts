/** The queue without a broker keeps the contract of queues. */

import t, { type Test } from 'tap';
import { workload } from '../../../../../projections/workload/workload.js';
import type { JsonObject } from '../../../../../src/runtime/event-store/event-store.js';
import { EmbeddedQueue } from '../../../../../src/systems/workload/service/jobs/embedded-queue.js';
import { JobQueries } from '../../../../../src/systems/workload/service/jobs/job-queries.js';
import type { JobQueue } from '../../../../../src/systems/workload/service/jobs/job-queue.js';
import { jobQueueContract, type OpenedQueue } from '../../../../contract/job-queue.js';
import { propose } from '../../../../support/events.js';
import { logLines } from '../../../../support/log-lines.js';
import { ManualClock } from '../../../../support/manual-clock.js';
import { projecting } from '../../../../support/projecting.js';

const PASSES_MS = 2_000;

const order = (rank: number): JsonObject => ({
  ...{ seq: 0, level: 1, executable: 'wc', rank, device_type: 'cpu', mode: 'map', retries: 1 },
  data_out_url: 'file:///out',
  inputs: [{ uid: 'f', dataset_uid: 'd', idx: 0, file_name: 'a', path: 'a' }],
  outputs: [{ uid: 'o', dataset_uid: 'd', idx: 0, file_name: 'a.j0' }],
  log: { uid: 'l', dataset_uid: 'd', idx: 0, file_name: 'a.j0.log' },
});

async function openEmbedded(t: Test): Promise<OpenedQueue> {
  const { store, db, projector } = projecting(t);
  const model = projector(workload);
  await model.start();
  const clock = new ManualClock();
  const queries = new JobQueries(db);
  let queue = new EmbeddedQueue(queries, clock, logLines().logger);
  let rank = 1_000;
  const append = async (stream: string, type: string, data: JsonObject) => {
    const { events } = await store.append(stream, 'any', [propose(data, { type })]);
    await model.caughtUpTo(await store.head());
    queue.observe(events);
  };
  const opened = (): OpenedQueue => ({
    queue,
    async queued(uids) {
      const hints = uids.map((job) => ({ job, curRetry: 0 }));
      const port: JobQueue = queue;
      await port.publish('cpu', hints, new AbortController().signal);
      for (const uid of uids) {
        rank -= 1;
        await append(`wl_job-${uid}`, 'JobCreated', order(rank));
        await append(`wl_job-${uid}`, 'JobQueued', { queue: queue.name, batch: 'b' });
      }
    },
    requeued: (uid) => append(`wl_job-${uid}`, 'JobRequeued', { queue: queue.name, reason: 'nobody came' }),
    granted: (uid, pilot) =>
      append(`wl_job-${uid}`, 'JobClaimed', {
        ...{ pilot, session_id: 's', claim_id: `c-${uid}`, attempt: 1, cur_retry: 0, lease_seconds: 60 },
      }),
    pilot: (name, { device = 'cpu', slots = 1 } = {}) =>
      append(`wl_pilot-${name}`, 'PilotAttached', {
        ...{ peer_id: name, session_id: 's', lease_seconds: 60, attached_time: 1, node_id: 'n' },
        ...{ device_type: device, slots, executables: ['wc'] },
      }),
    drained: (name) => append(`wl_pilot-${name}`, 'PilotDrainRequested', {}),
    pass: () => clock.advance(PASSES_MS),
    async reopen() {
      queue.stop();
      queue = new EmbeddedQueue(queries, clock, logLines().logger);
      return opened();
    },
  });
  t.teardown(() => queue.stop());
  return opened();
}

jobQueueContract(t, openEmbedded);
