/** The part of the service that has to do with pilots: their leases, what they are told, and what they report. */

import { setMaxListeners } from 'node:events';
import { workload } from '../../../../../projections/workload/workload.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import { ListeningTime } from '../../../../base/listening-time.js';
import { type ServiceAccess, workerInField } from '../../../../node/access/roles.js';
import { Peers } from '../../../../peers/served-peers.js';
import { brokerMetrics, brokerOperations } from '../broker/broker-status.js';
import { PilotBroker } from '../broker/pilot-broker.js';
import { attemptedOf, logAttempt } from '../jobs/attempt-log.js';
import { EmbeddedQueue } from '../jobs/embedded-queue.js';
import { executor } from '../jobs/executor.js';
import { Grants } from '../jobs/grants.js';
import { giveUp, job } from '../jobs/job-commands.js';
import { type AskPilot, LogRequests } from '../jobs/job-log.js';
import { JobOrders } from '../jobs/job-orders.js';
import { JobQueries } from '../jobs/job-queries.js';
import { Offers } from '../jobs/offers.js';
import { failureTerms, type Part, type WorkloadContext } from '../workload-context.js';
import { JobReports } from './job-reports.js';
import { LostClaims } from './lost-claims.js';
import { lostPilots } from './lost-pilots.js';
import { pilotOperations } from './pilot-answers.js';
import { readPilotBody } from './pilot-body.js';
import { PilotFigures } from './pilot-figures.js';
import { pilotHandlers } from './pilot-handlers.js';
import { PILOTS_TABLE, pilotKind } from './pilot-kind.js';
import { PILOT_SERVICE } from './pilot-operations.js';
import { PilotOrders } from './pilot-orders.js';
import { PilotSamples } from './pilot-samples.js';
import { PilotSessions } from './pilot-sessions.js';
import { SeenFiles } from './seen-files.js';
import { SeenPlaces } from './seen-places.js';
import { type PilotLine, WorkStreams } from './work-streams.js';
import { workloadMetrics } from './workload-metrics.js';

const PROTOCOLS = { min: 1, max: 1 };

/** What jobs and pilots have in common on a node. */
export class PilotLinks {
  readonly queries: JobQueries;
  readonly offers: Offers;
  readonly orders: JobOrders;
  readonly streams = new WorkStreams();
  readonly logs: LogRequests;
  /** Why the queue takes and gives nothing, once there is one. */
  awayOf: () => string | undefined = () => undefined;
  readonly queueAway = (): string | undefined => this.awayOf();
  /** One that is connected here. */
  readonly askPilot: AskPilot = async (pilot, piece) => {
    const stream = this.streams.of(pilot);
    if (stream === undefined) return undefined;
    return await this.logs.ask(pilot, (requestId) =>
      stream.tell({ read_log: { request_id: requestId, ...piece } }),
    );
  };

  constructor({ db, runtime, clock }: WorkloadContext) {
    this.queries = new JobQueries(db);
    this.orders = new JobOrders(runtime.store);
    this.offers = new Offers(this.queries, this.orders);
    this.logs = new LogRequests(clock);
  }
}

export function openPilots(context: WorkloadContext, links: PilotLinks): Part {
  const { runtime, clock, logger, config } = context;
  const { queries, offers, orders, streams, logs } = links;
  const listening = new ListeningTime(clock);
  const { broker: url } = config;
  const broker =
    url === undefined ? undefined : new PilotBroker({ context, url, queries, offers, listening });
  const queue = broker?.queue ?? new EmbeddedQueue(queries, offers, clock, logger);
  links.awayOf = () => queue.away;
  const samples = new PilotSamples(context, queries, streams);
  const figures = new PilotFigures();
  const closing = new AbortController();
  // Every stream waits for it.
  setMaxListeners(0, closing.signal);
  const peers = peersOf(context, queries, listening);
  const sessions = new PilotSessions(context, peers);
  const lostClaims = new LostClaims(context, queries, listening);
  const told = new PilotOrders(queries, streams, config.grace_seconds);
  runtime.onApplied(workload.name, (events) => orders.observe(events));
  runtime.onApplied(workload.name, (events) => {
    offers.observe(events);
    queue.observe(events);
    told.observe(events);
    lostClaims.observe(events);
  });
  runtime.projector(workload.name).onMadeAnew(() => {
    offers.forget();
    queue.forget();
  });
  const lost = lostPilots({
    ...{ queries, giveUpSeconds: config.give_up_seconds },
    caughtUp: (position) => runtime.readYourWrites([workload.name], position),
  });
  const files = new SeenFiles(clock);
  const places = new SeenPlaces(context, files);
  const reports = {
    ...{ context, sessions, streams, queue, orders, figures, samples, logs },
    grants: new Grants(context, orders, places),
    reports: new JobReports(context, orders, { files, places }),
    greet: async (line: PilotLine) => {
      await context.readYourWrites();
      told.greet(line);
    },
  };
  return {
    reactors: [lost],
    loops: [executor({ context, queries, offers, queue, readModel: workload.name })],
    caughtUp: () => {
      lostClaims.resume();
      broker?.begin(reports, peers);
    },
    peers: [peers],
    problem: () => broker?.problem,
    operations: [...pilotOperations(context, samples), ...brokerOperations(context, broker)],
    handlers: {
      [PILOT_SERVICE]: pilotHandlers({ ...reports, closing: closing.signal }),
    },
    access: { [PILOT_SERVICE]: ACCESS },
    metrics: () => [workloadMetrics({ context, queries, figures, queue }), brokerMetrics(broker)],
    endStreams: () => {
      logs.stop();
      closing.abort();
      broker?.endStreams();
    },
    stop: async () => {
      queue.stop();
      lostClaims.stop();
      await broker?.stop();
    },
    ended: () => lostClaims.ended(),
  };
}

const workerIn = workerInField('pilot');
const ACCESS: ServiceAccess = {
  work: { roles: ['worker'], workerIn },
  report: { roles: ['worker'], workerIn },
  // Names no pilot: who knows the claim was granted it.
  job_inputs: { roles: ['worker'], isQuery: true },
};

function peersOf(context: WorkloadContext, queries: JobQueries, listening: ListeningTime) {
  const { config, node } = context;
  const { lease_seconds: leaseSeconds, give_up_seconds: giveUpSeconds, margin_seconds } = config;
  return new Peers(node, {
    kind: pilotKind,
    table: PILOTS_TABLE,
    terms: { leaseSeconds, policy: { kind: 'end', giveUpSeconds, marginSeconds: margin_seconds } },
    ...{ protocols: PROTOCOLS, listening },
    read: readPilotBody,
    giveUp: (pilot, signal) => giveUpJobs(context, queries, pilot, signal),
  });
}

/** By now the keepers of a pilot that stayed lost have ended what it ran. @returns whether nothing is left to be done */
async function giveUpJobs(
  context: WorkloadContext,
  queries: JobQueries,
  pilot: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { system, config, logger } = context;
  await context.readYourWrites();
  const detail = `pilot ${pilot} was not heard of for ${config.give_up_seconds} s`;
  for (const row of queries.underWayOf(pilot)) {
    if (signal.aborted) return false;
    const claimId = String(row['claim_id']);
    const uid = String(row['id']);
    try {
      const { events } = await system.execute(job, uid, {
        by: 'lease',
        decide: (snapshot) => giveUp(snapshot, claimId, detail, failureTerms(context)),
      });
      logAttempt(logger, events, attemptedOf(context, uid, pilot));
    } catch (error) {
      // One that can't be read keeps no other from its end.
      if (!isRefusal(error)) throw error;
      logger.error({ err: error, job: uid, pilot }, 'a job of a lost pilot can not be given up');
    }
  }
  logger.warn({ pilot }, 'a pilot is given up');
  return true;
}
