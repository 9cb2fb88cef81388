/** What a pilot asks of its node beside its lease: PilotManager, as far as it is for pilots. Guarantees: see ServiceClient. */

import type { Logger } from 'pino';
import { type Clock, systemClock } from '../../../base/clock.js';
import { AcknowledgedReports, type AcknowledgedReportsOptions } from '../../../wire/acknowledged-reports.js';
import { loadProto, methodOf, serviceOf } from '../../../wire/proto.js';
import { type Method, ServiceClient, type ServiceClientOptions } from '../../../wire/service-client.js';
import type {
  JobInputs,
  JobInputsRequest,
  PilotReport,
  PilotReportAnswer,
  PilotReportAnswers,
  PilotTold,
  Work,
  WorkRequest,
} from './pilot-messages.js';

export interface PilotClientOptions extends ServiceClientOptions {
  /** For the pauses before reports are sent again. Default: the system's. */
  readonly clock?: Clock;
  /** Told when the stream of reports breaks. */
  readonly logger?: Logger;
}

interface Service {
  readonly work: Method<WorkRequest, Work>;
  readonly report: Method<PilotReport, PilotReportAnswers>;
  readonly inputs: Method<JobInputsRequest, JobInputs>;
}

export class PilotClient extends ServiceClient {
  private readonly options: PilotClientOptions;
  private readonly service: Service = loadService();

  constructor(options: PilotClientOptions) {
    super(options);
    this.options = options;
  }

  /** Goes on until its signal aborts or the connection breaks. */
  work(request: WorkRequest, signal: AbortSignal): AsyncGenerator<Work> {
    return this.follow(this.service.work, request, {}, signal);
  }

  jobInputs(request: JobInputsRequest): Promise<JobInputs> {
    return this.ask(this.service.inputs, request);
  }

  /** Those of one job arrive in order. To be closed before the client. @param session that holds the lease by now */
  reports(pilot: string, session: () => string): PilotReports {
    const { clock = systemClock, logger } = this.options;
    return pilotReports(pilot, session, {
      open: () => this.openDuplex(this.service.report),
      explain: (error) => this.explain(error),
      ...{ clock, logger },
    });
  }
}

export type PilotReports = AcknowledgedReports<PilotTold, PilotReport, PilotReportAnswers, PilotReportAnswer>;

type Carrying = 'open' | 'explain' | 'clock' | 'logger';

/** Over whatever carries them. @param session that holds the lease by now */
export function pilotReports(
  pilot: string,
  session: () => string,
  carrying: Pick<
    AcknowledgedReportsOptions<PilotTold, PilotReport, PilotReportAnswers, PilotReportAnswer>,
    Carrying
  >,
): PilotReports {
  return new AcknowledgedReports({
    peer: 'the node',
    message: (seq, told) => ({ ...told, seq, pilot, session_id: session() }),
    answersIn: ({ answers = [] }) => answers,
    workOf,
    workField: 'job',
    ...carrying,
  });
}

/** Samples follow each other; pieces of logs wait for nothing. */
function workOf({ claim, started, finished, failed, cancelled, log }: PilotTold): string {
  const { job } = claim ?? started ?? finished ?? failed ?? cancelled ?? {};
  if (job !== undefined) return job;
  return log === undefined ? '' : `log ${log.request_id}`;
}

function loadService(): Service {
  const definition = serviceOf(loadProto('workload'), 'workload.PilotManager');
  return {
    work: methodOf(definition, 'work'),
    report: methodOf(definition, 'report'),
    inputs: methodOf(definition, 'job_inputs'),
  };
}
