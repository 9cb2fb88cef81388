/** A store, its read model and a queue: what the contract of queues is tried on. */

import type { Test } from 'tap';
import { workload } from '../../../../projections/workload/workload.js';
import type { JsonObject } from '../../../../src/runtime/event-store/event-store.js';
import { JobQueries } from '../../../../src/systems/workload/service/jobs/job-queries.js';
import type { JobQueue } from '../../../../src/systems/workload/service/jobs/job-queue.js';
import { Offers } from '../../../../src/systems/workload/service/jobs/offers.js';
import type { OpenedQueue } from '../../../contract/job-queue.js';
import { propose } from '../../../support/events.js';
import { projecting } from '../../../support/projecting.js';

const order = (rank: number): JsonObject => ({
  ...{ seq: 0, level: 1, executable: 'wc', rank, device_type: 'cpu', mode: 'map', retries: 1 },
  data_out_url: 'file:///out',
  inputs: [{ uid: 'f', dataset_uid: 'd', idx: 0, file_name: 'a', path: 'a' }],
  outputs: [{ uid: 'o', dataset_uid: 'd', idx: 0, file_name: 'a.j0' }],
  log: { uid: 'l', dataset_uid: 'd', idx: 0, file_name: 'a.j0.log' },
});

/** @param pass lets as much time pass as a pilot is not given again what it let go */
export async function queueWorld(
  t: Test,
  make: (queries: JobQueries, offers: Offers) => JobQueue,
  pass: () => void,
): Promise<OpenedQueue> {
  const { store, db, projector } = projecting(t);
  const model = projector(workload);
  await model.start();
  const queries = new JobQueries(db);
  const offers = new Offers(queries, { memoryOf: () => undefined });
  let queue = make(queries, offers);
  let rank = 1_000;
  const append = async (stream: string, type: string, data: JsonObject) => {
    const { events } = await store.append(stream, 'any', [propose(data, { type })]);
    await model.caughtUpTo(await store.head());
    offers.observe(events);
    queue.observe(events);
  };
  const publish = async (uids: readonly string[]) => {
    const hints = uids.map((job) => ({ job, curRetry: 0 }));
    await queue.publish('cpu', hints, new AbortController().signal);
  };
  const opened = (): OpenedQueue => ({
    queue,
    async queued(uids) {
      await publish(uids);
      for (const uid of uids) {
        rank -= 1;
        await append(`wl_job-${uid}`, 'JobCreated', order(rank));
        await append(`wl_job-${uid}`, 'JobQueued', { queue: queue.name, batch: 'b' });
      }
    },
    async requeued(uid) {
      await publish([uid]);
      await append(`wl_job-${uid}`, 'JobRequeued', { queue: queue.name, reason: 'nobody came' });
    },
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
    switched: (to) =>
      to === 'off'
        ? append('wl_switch-executor', 'SwitchedOff', { switch: 'executor', strict: true })
        : append('wl_switch-executor', 'SwitchedOn', { switch: 'executor' }),
    pass,
    async reopen() {
      queue.stop();
      queue = make(queries, offers);
      return opened();
    },
  });
  t.teardown(() => queue.stop());
  return opened();
}
