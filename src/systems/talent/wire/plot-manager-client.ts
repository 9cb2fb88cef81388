/**
 * The methods of PlotManager for programs that talk to talent: the supervisor, the log receiver, the command.
 * Guarantees: see ServiceClient.
 */

import type { Logger } from 'pino';
import { type Clock, systemClock } from '../../../base/clock.js';
import { loadProto, methodOf, serviceOf } from '../../../wire/proto.js';
import { type Method, ServiceClient, type ServiceClientOptions } from '../../../wire/service-client.js';
import { TALENT } from './called.js';
import type {
  PlotTaskChange,
  PlotTaskCreateRequest,
  PlotTaskEventMessage,
  PlotTaskHistoryRequest,
  PlotTaskIdRequest,
  PlotTaskListRequest,
  PlotTaskListResponse,
  PlotTaskReport,
  PlotTaskReportAcks,
  PlotTaskRetryRequest,
  PlotTaskStatus,
  PlotTaskStatusResponse,
  PlotTaskStopRequest,
  PlotTaskUpdateResponse,
  PlotTaskWatchRequest,
  SupervisorAttachRequest,
  SupervisorDetachRequest,
  SupervisorHeartbeatRequest,
  SupervisorLease,
  SupervisorListResponse,
  SupervisorWork,
  SupervisorWorkRequest,
} from './messages.js';
import { ReportStream } from './report-stream.js';
import type {
  PlotTaskFailRequest,
  SupervisorPlotsRequest,
  SupervisorPlotsResponse,
} from './settling-messages.js';

/** A history may be long; it must still end. */
const HISTORY_DEADLINE_MS = 120_000;

export interface PlotManagerClientOptions extends ServiceClientOptions {
  /** For the pauses before reports are sent again. Default: the system's. */
  readonly clock?: Clock;
  /** Told when the stream of reports breaks. */
  readonly logger?: Logger;
}

interface Service {
  readonly create: Method<PlotTaskCreateRequest, PlotTaskStatusResponse>;
  readonly stop: Method<PlotTaskStopRequest, PlotTaskStatusResponse>;
  readonly retry: Method<PlotTaskRetryRequest, PlotTaskStatusResponse>;
  readonly fail: Method<PlotTaskFailRequest, PlotTaskStatusResponse>;
  readonly status: Method<PlotTaskIdRequest, PlotTaskStatus>;
  readonly update: Method<PlotTaskStatus, PlotTaskUpdateResponse>;
  readonly list: Method<PlotTaskListRequest, PlotTaskListResponse>;
  readonly watch: Method<PlotTaskWatchRequest, PlotTaskChange>;
  readonly history: Method<PlotTaskHistoryRequest, PlotTaskEventMessage>;
  readonly report: Method<PlotTaskReport, PlotTaskReportAcks>;
  readonly attach: Method<SupervisorAttachRequest, SupervisorLease>;
  readonly heartbeat: Method<SupervisorHeartbeatRequest, SupervisorLease>;
  readonly detach: Method<SupervisorDetachRequest, object>;
  readonly work: Method<SupervisorWorkRequest, SupervisorWork>;
  readonly plots: Method<SupervisorPlotsRequest, SupervisorPlotsResponse>;
  readonly supervisors: Method<object, SupervisorListResponse>;
}

export class PlotManagerClient extends ServiceClient {
  private readonly options: PlotManagerClientOptions;
  private readonly service: Service = loadService();

  constructor(options: PlotManagerClientOptions) {
    super({ called: TALENT, ...options });
    this.options = options;
  }

  create(request: PlotTaskCreateRequest): Promise<PlotTaskStatusResponse> {
    return this.ask(this.service.create, request);
  }

  stop(request: PlotTaskStopRequest): Promise<PlotTaskStatusResponse> {
    return this.ask(this.service.stop, request);
  }

  retry(request: PlotTaskRetryRequest): Promise<PlotTaskStatusResponse> {
    return this.ask(this.service.retry, request);
  }

  fail(request: PlotTaskFailRequest): Promise<PlotTaskStatusResponse> {
    return this.ask(this.service.fail, request);
  }

  /** `existed` is missing when there is no such task. */
  status(request: PlotTaskIdRequest): Promise<PlotTaskStatus> {
    return this.ask(this.service.status, request);
  }

  /** One report. Many go faster through `reports`. A refusal is `is_success` false with its reason. */
  update(report: PlotTaskStatus): Promise<PlotTaskUpdateResponse> {
    return this.ask(this.service.update, report);
  }

  list(request: PlotTaskListRequest): Promise<PlotTaskListResponse> {
    return this.ask(this.service.list, request);
  }

  /** All that match, page by page, `limit` tasks at the most. */
  pages(filter: PlotTaskListRequest, limit?: number): AsyncGenerator<PlotTaskStatus[]> {
    return this.listed(this.service.list, filter, ({ tasks }) => tasks, limit);
  }

  /** Goes on until its signal aborts or the connection breaks. */
  watch(request: PlotTaskWatchRequest, signal?: AbortSignal): AsyncGenerator<PlotTaskChange> {
    return this.follow(this.service.watch, request, {}, signal);
  }

  history(request: PlotTaskHistoryRequest): AsyncGenerator<PlotTaskEventMessage> {
    return this.follow(this.service.history, request, { deadline: Date.now() + HISTORY_DEADLINE_MS });
  }

  attach(request: SupervisorAttachRequest): Promise<SupervisorLease> {
    return this.ask(this.service.attach, request);
  }

  heartbeat(request: SupervisorHeartbeatRequest): Promise<SupervisorLease> {
    return this.ask(this.service.heartbeat, request);
  }

  async detach(request: SupervisorDetachRequest): Promise<void> {
    await this.ask(this.service.detach, request);
  }

  /** Goes on until its signal aborts or the connection breaks. */
  work(request: SupervisorWorkRequest, signal?: AbortSignal): AsyncGenerator<SupervisorWork> {
    return this.follow(this.service.work, request, {}, signal);
  }

  /** Of the session that holds the lease: what its machine has. */
  plots(request: SupervisorPlotsRequest): Promise<SupervisorPlotsResponse> {
    return this.ask(this.service.plots, request);
  }

  supervisors(): Promise<SupervisorListResponse> {
    return this.ask(this.service.supervisors, {});
  }

  /** The road for many reports; see ReportStream. To be closed before the client. @param reportKey of this machine */
  reports(reportKey?: string): ReportStream {
    const { clock = systemClock, logger } = this.options;
    return new ReportStream({
      open: () => this.openDuplex(this.service.report),
      explain: (error) => this.explain(error),
      clock,
      logger,
      reportKey,
    });
  }
}

function loadService(): Service {
  const definition = serviceOf(loadProto('talent'), 'talent.PlotManager');
  const method = (name: string) => methodOf(definition, name);
  return {
    create: method('plot_task_create'),
    stop: method('plot_task_stop'),
    retry: method('plot_task_retry'),
    fail: method('plot_task_fail'),
    status: method('plot_task_status'),
    update: method('plot_task_update'),
    list: method('plot_task_list'),
    watch: method('plot_task_watch'),
    history: method('plot_task_history'),
    report: method('plot_task_report'),
    attach: method('supervisor_attach'),
    heartbeat: method('supervisor_heartbeat'),
    detach: method('supervisor_detach'),
    work: method('supervisor_work'),
    plots: method('supervisor_plots'),
    supervisors: method('supervisor_list'),
  };
}
