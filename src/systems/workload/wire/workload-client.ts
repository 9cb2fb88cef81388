/** What people and programs ask of a node about workloads: its services, over one connection. Guarantees: see ServiceClient. */

import { randomUUID } from 'node:crypto';
import { ServiceClient } from '../../../wire/service-client.js';
import type { BrokerStatus } from './broker-messages.js';
import type {
  Dataset,
  DatasetAdded,
  DatasetAddRequest,
  DatasetCloseRequest,
  DatasetCollected,
  DatasetFile,
  DatasetFilesRequest,
  DatasetListRequest,
  DatasetOrder,
  DatasetRegistered,
  DatasetRegisterRequest,
  DatasetScanRequest,
  DatasetVerified,
} from './dataset-messages.js';
import type {
  EntityEvent,
  EntityOrder,
  EntityRequest,
  Job,
  JobFileList,
  JobListRequest,
  JobLog,
  JobLogRequest,
  Pilot,
  PilotListRequest,
  Switch,
  SwitchOrder,
  Task,
  TaskListRequest,
  TaskRankRequest,
  TaskSubmitRequest,
} from './messages.js';
import type { Series, SeriesListRequest, SeriesSubmitRequest } from './series-messages.js';
import { type JobOrder, loadServices, type PilotOrder, type TaskOrder } from './workload-services.js';

/** A history may be long, and a switch waits for another node; it must still end. */
const LONGEST_MS = 120_000;
/** Files are read whole: as long as the node is there. */
const READS_FILES_MS = Number.POSITIVE_INFINITY;
const TELLS_EVERY_SECONDS = 1;

/** What has a history that can be asked for. */
export type Historic = 'dataset' | 'task' | 'job' | 'pilot' | 'series';

export class WorkloadClient extends ServiceClient {
  private readonly service = loadServices();

  register(request: DatasetRegisterRequest): Promise<DatasetRegistered> {
    return this.ask(this.service.datasets.register, request);
  }

  add(request: DatasetAddRequest): Promise<DatasetAdded> {
    return this.ask(this.service.datasets.add, request, READS_FILES_MS);
  }

  scan(request: DatasetScanRequest): Promise<DatasetAdded> {
    return this.ask(this.service.datasets.scan, request, READS_FILES_MS);
  }

  closeDataset(request: DatasetCloseRequest): Promise<Dataset> {
    return this.ask(this.service.datasets.close, request);
  }

  cancelDataset(request: DatasetOrder): Promise<Dataset> {
    return this.ask(this.service.datasets.cancel, request);
  }

  /** @param tell how far it is, now and then */
  async verify(uid: string, tell: (soFar: DatasetVerified) => void): Promise<DatasetVerified> {
    const request = { uid, command_id: randomUUID(), wait_seconds: TELLS_EVERY_SECONDS };
    for (;;) {
      const verified = await this.ask(this.service.datasets.verify, request, READS_FILES_MS);
      // A node of before says nothing of it, and answers at the end.
      if (verified.status !== 'under_way') return verified;
      tell(verified);
    }
  }

  collect(request: DatasetOrder): Promise<DatasetCollected> {
    return this.ask(this.service.datasets.gc, request, READS_FILES_MS);
  }

  dataset(request: EntityRequest): Promise<Dataset> {
    return this.ask(this.service.datasets.status, request);
  }

  datasets(filter: DatasetListRequest, limit?: number): AsyncGenerator<Dataset[]> {
    return this.listed(this.service.datasets.list, filter, ({ datasets }) => datasets, limit);
  }

  files(filter: DatasetFilesRequest, limit?: number): AsyncGenerator<DatasetFile[]> {
    return this.listed(this.service.datasets.files, filter, ({ files }) => files, limit);
  }

  submit(request: TaskSubmitRequest): Promise<Task> {
    return this.ask(this.service.tasks.submit, request);
  }

  task(request: EntityRequest): Promise<Task> {
    return this.ask(this.service.tasks.status, request);
  }

  tasks(filter: TaskListRequest, limit?: number): AsyncGenerator<Task[]> {
    return this.listed(this.service.tasks.list, filter, ({ tasks }) => tasks, limit);
  }

  /** All that match, then each change. Goes on until its signal aborts or the connection breaks. */
  watch(request: TaskListRequest, signal?: AbortSignal): AsyncGenerator<Task> {
    return this.follow(this.service.tasks.watch, request, {}, signal);
  }

  orderTask(order: TaskOrder, request: EntityOrder): Promise<Task> {
    return this.ask(this.service.tasks[order], request);
  }

  rank(request: TaskRankRequest): Promise<Task> {
    return this.ask(this.service.tasks.rank, request);
  }

  job(request: EntityRequest): Promise<Job> {
    return this.ask(this.service.jobs.status, request);
  }

  jobs(filter: JobListRequest, limit?: number): AsyncGenerator<Job[]> {
    return this.listed(this.service.jobs.list, filter, ({ jobs }) => jobs, limit);
  }

  jobFiles(request: EntityRequest): Promise<JobFileList> {
    return this.ask(this.service.jobs.files, request);
  }

  orderJob(order: JobOrder, request: EntityOrder): Promise<Job> {
    return this.ask(this.service.jobs[order], request);
  }

  jobLog(request: JobLogRequest): Promise<JobLog> {
    return this.ask(this.service.jobs.log, request);
  }

  pilots(filter: PilotListRequest = {}, limit?: number): AsyncGenerator<Pilot[]> {
    return this.listed(this.service.pilots.list, filter, ({ pilots }) => pilots, limit);
  }

  pilot(request: EntityRequest): Promise<Pilot> {
    return this.ask(this.service.pilots.status, request);
  }

  orderPilot(order: PilotOrder, request: EntityOrder): Promise<Pilot> {
    return this.ask(this.service.pilots[order], request);
  }

  submitSeries(request: SeriesSubmitRequest): Promise<Series> {
    return this.ask(this.service.series.submit, request);
  }

  series(request: EntityRequest): Promise<Series> {
    return this.ask(this.service.series.status, request);
  }

  allSeries(filter: SeriesListRequest, limit?: number): AsyncGenerator<Series[]> {
    return this.listed(this.service.series.list, filter, ({ series }) => series, limit);
  }

  cancelSeries(request: EntityOrder): Promise<Series> {
    return this.ask(this.service.series.cancel, request);
  }

  async switches(): Promise<Switch[]> {
    return (await this.ask(this.service.switches.list, {})).switches ?? [];
  }

  switch(request: { readonly switch: string }): Promise<Switch> {
    return this.ask(this.service.switches.status, request);
  }

  setSwitch(request: SwitchOrder): Promise<Switch> {
    return this.ask(this.service.switches.set, request, LONGEST_MS);
  }

  broker(): Promise<BrokerStatus> {
    return this.ask(this.service.broker.status, {});
  }

  history(of: Historic, request: EntityRequest): AsyncGenerator<EntityEvent> {
    const { history } = of === 'series' ? this.service.series : this.service[`${of}s`];
    return this.follow(history, request, historyCall());
  }

  switchHistory(request: { readonly switch: string }): AsyncGenerator<EntityEvent> {
    return this.follow(this.service.switches.history, request, historyCall());
  }
}

function historyCall(): { deadline: number } {
  return { deadline: Date.now() + LONGEST_MS };
}
