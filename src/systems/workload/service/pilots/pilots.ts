/** The part of the service that has to do with pilots: their leases, what they are told, and what they report. */

import { setMaxListeners } from 'node:events';
import { workload } from '../../../../../projections/workload/workload.js';
import { workerInField } from '../../../../node/access/roles.js';
import { Peers } from '../../../../peers/served-peers.js';
import type { RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { EmbeddedQueue } from '../jobs/embedded-queue.js';
import { executor } from '../jobs/executor.js';
import { Grants } from '../jobs/grants.js';
import { JobOrders } from '../jobs/job-orders.js';
import { JobQueries } from '../jobs/job-queries.js';
import type { Part, WorkloadContext } from '../workload-context.js';
import { JobReports } from './job-reports.js';
import { readPilotBody } from './pilot-body.js';
import { PilotFigures } from './pilot-figures.js';
import { pilotHandlers } from './pilot-handlers.js';
import { PILOTS_TABLE, pilotKind } from './pilot-kind.js';
import { PilotSessions } from './pilot-sessions.js';
import { WorkStreams } from './work-streams.js';

const SERVICE = 'workload.PilotManager';
const PROTOCOLS = { min: 1, max: 1 };

export function openPilots(context: WorkloadContext): Part {
  const { runtime, db, clock, logger, node } = context;
  const queries = new JobQueries(db);
  const queue = new EmbeddedQueue(queries, clock, logger);
  const orders = new JobOrders(runtime.store);
  const streams = new WorkStreams();
  const figures = new PilotFigures();
  const closing = new AbortController();
  // Every stream waits for it.
  setMaxListeners(0, closing.signal);
  const peers = peersOf(context);
  const sessions = new PilotSessions(context, peers);
  runtime.onApplied(workload.name, (events) => {
    if (events.some(concernsHints)) queue.wake();
  });
  const workerIn = workerInField('pilot');
  return {
    loops: [executor({ context, queries, queue, readModel: workload.name })],
    peers: [peers],
    handlers: {
      [SERVICE]: pilotHandlers({
        ...{ context, sessions, streams, queue, orders, figures },
        grants: new Grants(context, orders),
        reports: new JobReports(context, orders),
        samples: { take: async () => undefined },
        logs: { take: () => undefined },
        greet: async () => undefined,
        closing: closing.signal,
      }),
    },
    access: {
      [SERVICE]: {
        work: { roles: ['worker'], workerIn },
        report: { roles: ['worker'], workerIn },
        // Names no pilot: who knows the claim was granted it.
        job_inputs: { roles: ['worker'], isQuery: true },
      },
    },
    endStreams: () => closing.abort(),
    stop: () => queue.stop(),
  };

  function peersOf({ config }: WorkloadContext) {
    const { lease_seconds: leaseSeconds, give_up_seconds: giveUpSeconds, margin_seconds } = config;
    return new Peers(node, {
      kind: pilotKind,
      table: PILOTS_TABLE,
      terms: { leaseSeconds, policy: { kind: 'end', giveUpSeconds, marginSeconds: margin_seconds } },
      protocols: PROTOCOLS,
      read: readPilotBody,
      giveUp: async () => true,
    });
  }
}

function concernsHints({ stream }: RecordedEvent): boolean {
  return /^wl_(job|pilot|task)-/.test(stream);
}
