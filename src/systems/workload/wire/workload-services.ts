/** The methods of the node's services about workloads, by the names that clients call them. */

import { loadProto, methodOf, serviceOf } from '../../../wire/proto.js';
import type { Method } from '../../../wire/service-client.js';
import type { BrokerStatus } from './broker-messages.js';
import type {
  Dataset,
  DatasetAdded,
  DatasetAddRequest,
  DatasetCloseRequest,
  DatasetCollected,
  DatasetFilesRequest,
  DatasetList,
  DatasetListRequest,
  DatasetOrder,
  DatasetRegistered,
  DatasetRegisterRequest,
  DatasetScanRequest,
  DatasetVerified,
  DatasetVerifyRequest,
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

/** What can be asked of a task as it is. */
export const TASK_ORDERS = ['hold', 'release', 'finish', 'retry', 'cancel'] as const;
export type TaskOrder = (typeof TASK_ORDERS)[number];
export const JOB_ORDERS = ['cancel', 'retry'] as const;
export type JobOrder = (typeof JOB_ORDERS)[number];
export const PILOT_ORDERS = ['drain', 'undrain', 'retire'] as const;
export type PilotOrder = (typeof PILOT_ORDERS)[number];
export interface WorkloadServices {
  readonly datasets: {
    readonly register: Method<DatasetRegisterRequest, DatasetRegistered>;
    readonly add: Method<DatasetAddRequest, DatasetAdded>;
    readonly scan: Method<DatasetScanRequest, DatasetAdded>;
    readonly close: Method<DatasetCloseRequest, Dataset>;
    readonly cancel: Method<DatasetOrder, Dataset>;
    readonly verify: Method<DatasetVerifyRequest, DatasetVerified>;
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
    readonly history: Method<EntityRequest, EntityEvent>;
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
    readonly history: Method<{ readonly switch: string }, EntityEvent>;
  };
  readonly broker: { readonly status: Method<object, BrokerStatus> };
}

export function loadServices(): WorkloadServices {
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
      ...{ undrain: pilot('undrain'), retire: pilot('retire'), history: pilot('history') },
    },
    series: {
      ...{ submit: series('submit'), status: series('status'), list: series('list') },
      ...{ cancel: series('cancel'), history: series('history') },
    },
    broker: { status: methodsOf('Broker', 'broker')('status') },
    switches: {
      ...{ list: switches('list'), status: switches('status'), set: switches('set') },
      history: switches('history'),
    },
  };
}
