/** What workload is on a node: its actor types and read models, and how its parts are put together. */

import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { workload } from '../../../../projections/workload/workload.js';
import { Gates } from '../../../base/gates.js';
import { keepingStatements } from '../../../base/sql.js';
import type { ServiceAccess } from '../../../node/access/roles.js';
import { loggingOrders, type NamedBy } from '../../../node/operations/order-log.js';
import type { NodeContext, OpenedService, ServiceSide } from '../../../node/system.js';
import { loadProto } from '../../../wire/proto.js';
import { type WorkloadConfig, withRoots } from '../config.js';
import { catalogue, dataset, file } from './datasets/dataset-types.js';
import { openDatasets } from './datasets/datasets.js';
import { openEvents } from './events/events.js';
import { job } from './jobs/job-commands.js';
import { openJobs } from './jobs/jobs.js';
import { PILOTS, pilotKind } from './pilots/pilot-kind.js';
import { openPilots, PilotLinks } from './pilots/pilots.js';
import { openSeries } from './series/series.js';
import { series } from './series/series-commands.js';
import { switchType } from './switches/switch-commands.js';
import { openSwitches } from './switches/switches.js';
import { task } from './tasks/task-type.js';
import { openTasks } from './tasks/tasks.js';
import type { Part, WorkloadContext } from './workload-context.js';

const proto = loadProto('workload');

/** A piece of a log, or the end of a job with as many outputs as one may have. */
const PILOT_REQUEST_BYTES = 4 * 1024 * 1024;
/** As many files as a batch has, with their check sums: as much as HTTP takes. */
const DATASET_REQUEST_BYTES = 1024 * 1024;

export const workloadService: ServiceSide<WorkloadConfig> = {
  actorTypes: [catalogue, dataset, file, task, job, pilotKind.type, series, switchType],
  projections: [workload, PILOTS],
  queried: [workload.name],
  proto,
  requestBytes: {
    'workload.DatasetManager': DATASET_REQUEST_BYTES,
    'workload.PilotManager': PILOT_REQUEST_BYTES,
  },
  open,
};

function open(node: NodeContext, config: WorkloadConfig): OpenedService {
  const { runtime, clock, logger } = node;
  const context: WorkloadContext = {
    ...{ node, runtime, clock, logger, config: withRoots(config.workload), system: runtime.system },
    // Loops and reactors ask the same of it with every batch of events.
    db: keepingStatements(runtime.db),
    gates: new Gates(),
    readYourWrites: () => runtime.readYourWrites([workload.name, PILOTS.name]),
  };
  /** A part's own log says which one it is. */
  const as = (part: string) => ({ ...context, logger: logger.child({ name: `owl.${part}` }) });
  const manager = as('job-manager');
  const links = new PilotLinks(manager);
  return inOrder(logger, [
    openDatasets(as('dsm'), links.orders),
    openTasks(as('task-manager')),
    openJobs({ context: manager, ...links }),
    openPilots(manager, links),
    openEvents(context),
    openSeries(as('series')),
    openSwitches(context),
  ]);
}

/** What orders are about, by the service that takes them. */
const ABOUT: Readonly<Record<string, string>> = {
  'workload.TaskManager': 'task',
  'workload.DatasetManager': 'dataset',
  'workload.JobManager': 'job',
  'workload.PilotManager': 'pilot',
  'workload.SeriesManager': 'series',
};

function namesOf(service: string): NamedBy {
  const about = ABOUT[service] ?? 'of';
  return { uid: about, name: 'called', pilot: 'pilot', switch: 'switch', reason: 'reason' };
}

/** What ends, ends in the reverse order. */
function inOrder(logger: Logger, parts: readonly Part[]): OpenedService {
  const reversed = parts.toReversed();
  const handlers: Record<string, UntypedServiceImplementation> = {};
  const access: Record<string, ServiceAccess> = {};
  for (const part of parts) {
    for (const [service, methods] of Object.entries(part.handlers ?? {}))
      handlers[service] = { ...handlers[service], ...methods };
    for (const [service, methods] of Object.entries(part.access ?? {}))
      access[service] = { ...access[service], ...methods };
  }
  return {
    reactors: parts.flatMap((part) => part.reactors ?? []),
    loops: parts.flatMap((part) => part.loops ?? []),
    caughtUp: async () => {
      for (const part of parts) await part.caughtUp?.();
    },
    problem: () => parts.map((part) => part.problem?.()).find((reason) => reason !== undefined),
    peers: parts.flatMap((part) => part.peers ?? []),
    operations: parts
      .flatMap((part) => part.operations ?? [])
      .map((one) => loggingOrders(one, logger, namesOf(one.operation.service))),
    handlers,
    access,
    metrics: () => parts.flatMap((part) => part.metrics?.() ?? []),
    endStreams: () => {
      for (const part of reversed) part.endStreams?.();
    },
    stop: async () => {
      for (const part of reversed) await part.stop?.();
    },
    ended: async () => {
      for (const part of reversed) await part.ended?.();
    },
  };
}
