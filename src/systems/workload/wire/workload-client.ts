/** What people and programs ask of a node about workloads: its services, over one connection. Guarantees: see ServiceClient. */

import { pagesOf } from '../../../wire/pages.js';
import { loadProto, methodOf, serviceOf } from '../../../wire/proto.js';
import { type Method, ServiceClient } from '../../../wire/service-client.js';
import type {
  Dataset,
  DatasetAdded,
  DatasetAddRequest,
  DatasetCloseRequest,
  DatasetCollected,
  DatasetFile,
  DatasetFilesRequest,
  DatasetList,
  DatasetListRequest,
  DatasetOrder,
  DatasetRegistered,
  DatasetRegisterRequest,
  DatasetScanRequest,
  DatasetVerified,
  FileList,
} from './dataset-messages.js';
import type {
  EntityEvent,
  EntityOrder,
  EntityRequest,
  Job,
  JobFileList,
  JobList,
  JobListRequest,
  JobLog,
  JobLogRequest,
  Pilot,
  PilotList,
  PilotListRequest,
  Switch,
  SwitchList,
  SwitchOrder,
  Task,
  TaskList,
  TaskListRequest,
  TaskRankRequest,
  TaskSubmitRequest,
} from './messages.js';
import type { Series, SeriesList, SeriesListRequest, SeriesSubmitRequest } from './series-messages.js';

/** A history may be long; it must still end. */
const HISTORY_DEADLINE_MS = 120_000;
/** Files are read whole: as long as the node is there. */
const READS_FILES_MS = Number.POSITIVE_INFINITY;

/** What can be asked of a task as it is. */
export const TASK_ORDERS = ['hold', 'release', 'finish', 'retry', 'cancel'] as const;
export type TaskOrder = (typeof TASK_ORDERS)[number];
export const JOB_ORDERS = ['cancel', 'retry'] as const;
export type JobOrder = (typeof JOB_ORDERS)[number];
export const PILOT_ORDERS = ['drain', 'undrain', 'retire'] as const;
export type PilotOrder = (typeof PILOT_ORDERS)[number];
/** What has a history that can be asked for. */
export type Historic = 'dataset' | 'task' | 'job' | 'series';

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

  verify(request: DatasetOrder): Promise<DatasetVerified> {
    return this.ask(this.service.datasets.verify, request, READS_FILES_MS);
  }

  collect(request: DatasetOrder): Promise<DatasetCollected> {
    return this.ask(this.service.datasets.gc, request, READS_FILES_MS);
  }

  dataset(request: EntityRequest): Promise<Dataset> {
    return this.ask(this.service.datasets.status, request);
  }

  datasets(filter: DatasetListRequest, limit?: number): AsyncGenerator<Dataset[]> {
    return pagesOf(async (page) => {
      const { datasets, next_page_token } = await this.ask(this.service.datasets.list, {
        ...filter,
        ...page,
      });
      return { items: datasets, next: next_page_token };
    }, limit);
  }

  files(filter: DatasetFilesRequest, limit?: number): AsyncGenerator<DatasetFile[]> {
    return pagesOf(async (page) => {
      const { files, next_page_token } = await this.ask(this.service.datasets.files, { ...filter, ...page });
      return { items: files, next: next_page_token };
    }, limit);
  }

  submit(request: TaskSubmitRequest): Promise<Task> {
    return this.ask(this.service.tasks.submit, request);
  }

  task(request: EntityRequest): Promise<Task> {
    return this.ask(this.service.tasks.status, request);
  }

  tasks(filter: TaskListRequest, limit?: number): AsyncGenerator<Task[]> {
    return pagesOf(async (page) => {
      const { tasks, next_page_token } = await this.ask(this.service.tasks.list, { ...filter, ...page });
      return { items: tasks, next: next_page_token };
    }, limit);
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
    return pagesOf(async (page) => {
      const { jobs, next_page_token } = await this.ask(this.service.jobs.list, { ...filter, ...page });
      return { items: jobs, next: next_page_token };
    }, limit);
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

  async pilots(request: PilotListRequest = {}): Promise<Pilot[]> {
    return (await this.ask(this.service.pilots.list, request)).pilots ?? [];
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
    return pagesOf(async (page) => {
      const { series, next_page_token } = await this.ask(this.service.series.list, { ...filter, ...page });
      return { items: series, next: next_page_token };
    }, limit);
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
    return this.ask(this.service.switches.set, request);
  }

  history(of: Historic, request: EntityRequest): AsyncGenerator<EntityEvent> {
    const { history } = of === 'series' ? this.service.series : this.service[`${of}s`];
    return this.follow(history, request, { deadline: Date.now() + HISTORY_DEADLINE_MS });
  }
}

interface Services {
  readonly datasets: {
    readonly register: Method<DatasetRegisterRequest, DatasetRegistered>;
    readonly add: Method<DatasetAddRequest, DatasetAdded>;
    readonly scan: Method<DatasetScanRequest, DatasetAdded>;
    readonly close: Method<DatasetCloseRequest, Dataset>;
    readonly cancel: Method<DatasetOrder, Dataset>;
    readonly verify: Method<DatasetOrder, DatasetVerified>;
    readonly gc: Method<DatasetOrder, DatasetCollected>;
    readonly status: Method<EntityRequest, Dataset>;
    readonly list: Method<DatasetListRequest, DatasetList>;
    readonly files: Method<DatasetFilesRequest, FileList>;
    readonly history: Method<EntityRequest, EntityEvent>;
  };
  readonly tasks: Readonly<Record<TaskOrder, Method<EntityOrder, Task>>> & {
    readonly submit: Method<TaskSubmitRequest, Task>;
    readonly status: Method<EntityRequest, Task>;
    readonly list: Method<TaskListRequest, TaskList>;
    readonly watch: Method<TaskListRequest, Task>;
    readonly rank: Method<TaskRankRequest, Task>;
    readonly history: Method<EntityRequest, EntityEvent>;
  };
  readonly jobs: Readonly<Record<JobOrder, Method<EntityOrder, Job>>> & {
    readonly status: Method<EntityRequest, Job>;
    readonly list: Method<JobListRequest, JobList>;
    readonly files: Method<EntityRequest, JobFileList>;
    readonly log: Method<JobLogRequest, JobLog>;
    readonly history: Method<EntityRequest, EntityEvent>;
  };
  readonly pilots: Readonly<Record<PilotOrder, Method<EntityOrder, Pilot>>> & {
    readonly list: Method<PilotListRequest, PilotList>;
    readonly status: Method<EntityRequest, Pilot>;
  };
  readonly series: {
    readonly submit: Method<SeriesSubmitRequest, Series>;
    readonly status: Method<EntityRequest, Series>;
    readonly list: Method<SeriesListRequest, SeriesList>;
    readonly cancel: Method<EntityOrder, Series>;
    readonly history: Method<EntityRequest, EntityEvent>;
  };
  readonly switches: {
    readonly list: Method<object, SwitchList>;
    readonly status: Method<{ readonly switch: string }, Switch>;
    readonly set: Method<SwitchOrder, Switch>;
  };
}

function loadServices(): Services {
  const proto = loadProto('workload');
  const methodsOf = (service: string, prefix: string) => {
    const definition = serviceOf(proto, `workload.${service}`);
    return (name: string) => methodOf(definition, `${prefix}_${name}`);
  };
  const dataset = methodsOf('DatasetManager', 'dataset');
  const task = methodsOf('TaskManager', 'task');
  const job = methodsOf('JobManager', 'job');
  const pilot = methodsOf('PilotManager', 'pilot');
  const series = methodsOf('SeriesManager', 'series');
  const switches = methodsOf('Switches', 'switch');
  return {
    datasets: {
      ...{ register: dataset('register'), add: dataset('add'), scan: dataset('scan') },
      ...{ close: dataset('close'), cancel: dataset('cancel'), verify: dataset('verify') },
      ...{ status: dataset('status'), list: dataset('list'), files: dataset('files') },
      ...{ gc: dataset('gc'), history: dataset('history') },
    },
    tasks: {
      ...{ submit: task('submit'), status: task('status'), list: task('list'), watch: task('watch') },
      ...{ hold: task('hold'), release: task('release'), finish: task('finish'), retry: task('retry') },
      ...{ cancel: task('cancel'), rank: task('rank'), history: task('history') },
    },
    jobs: {
      ...{ status: job('status'), list: job('list'), files: job('files'), log: job('log') },
      ...{ cancel: job('cancel'), retry: job('retry'), history: job('history') },
    },
    pilots: {
      ...{ list: pilot('list'), status: pilot('status'), drain: pilot('drain') },
      ...{ undrain: pilot('undrain'), retire: pilot('retire') },
    },
    series: {
      ...{ submit: series('submit'), status: series('status'), list: series('list') },
      ...{ cancel: series('cancel'), history: series('history') },
    },
    switches: { list: switches('list'), status: switches('status'), set: switches('set') },
  };
}
