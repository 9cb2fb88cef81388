/** What can be asked about jobs. */

import type { z } from 'zod';
import { MOST_FILES_OF_A_JOB } from '../../../../../machines/workload/job.js';
import { commandId, uid } from '../../../../node/entities/entity-messages.js';
import {
  entityOperations,
  ORDERERS,
  pageFields,
  query,
  READERS,
} from '../../../../node/entities/entity-operations.js';
import {
  bytes,
  flag,
  int64,
  list,
  message,
  oneOf,
  request,
  text,
  whole,
} from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import { isFileName } from '../datasets/dataset-messages.js';
import { ENTITY } from '../shown/entities.js';
import { PAYLOAD, storageUrl } from '../shown/payload-fields.js';
import { FAULT_OF, type FailureClass } from './failure-classes.js';
import { LARGEST_PIECE } from './job-log.js';
import { jobFileList, jobFileMessage, jobFilePage, jobList, jobMessage } from './job-messages.js';

export const JOB_SERVICE = 'workload.JobManager';
const MOST_JOBS_OF_AN_ORDER = 1000;

const STATES = [
  ...(['created', 'queued', 'staging', 'running', 'cancelling', 'failed', 'finished', 'cancelled'] as const),
];
const CLASSES = Object.keys(FAULT_OF).filter((name): name is FailureClass => name in FAULT_OF);

const FILE_STATUSES = [
  ...(['waiting', 'in_use', 'used', 'missing', 'corrupt'] as const),
  ...(['declared', 'available', 'failed', 'discarded'] as const),
];

const jobs = entityOperations({
  ...{ messages: ENTITY, service: JOB_SERVICE, noun: 'job', path: '/jobs', answer: jobMessage },
});

const entity = (noun: string) =>
  text(undefined, { description: `The uid of the ${noun}, a beginning of it, or its running number.` });

const newJob = request({
  ...PAYLOAD,
  data_in_uid: uid({ description: 'The dataset that its inputs are files of.' }),
  inputs: list(text(isFileName), {
    most: MOST_FILES_OF_A_JOB,
    noun: 'files',
    description: 'Names of files of that dataset, which are there: one at least.',
  }),
  data_out_url: storageUrl,
});
export type NewJob = z.output<typeof newJob>;

export const createJobs = operation({
  service: JOB_SERVICE,
  name: 'job_create',
  kind: 'decision',
  roles: ORDERERS,
  choosesProgram: true,
  http: { method: 'POST', path: '/jobs', success: 201, bodyList: 'jobs' },
  summary: 'Makes jobs that belong to no task, for those who split by themselves.',
  description:
    'All are looked at before one is made. What they write is a use of a file (job_files), and of no dataset. Where it stops on the way, sent again under its key it goes on; the same key makes the same jobs.',
  request: request({
    jobs: list(newJob, { most: MOST_JOBS_OF_AN_ORDER, noun: 'jobs' }),
    command_id: commandId.optional(),
  }),
  answer: message('workload.JobsCreated', { jobs: list(jobMessage) }),
  commandId: 'command_id',
  isOfOneThing: true,
});

export const jobStatus = jobs.status('One job as it is now, with why it waits; or as it was.', ENTITY.look);

const someJobs = request({
  ...pageFields(),
  state: list(oneOf(STATES), { description: 'Any of these; all when empty.' }),
  task: entity('task').optional(),
  pilot: text(undefined, { description: 'Those that it has, or had last.' }).optional(),
  failure_class: oneOf(CLASSES).optional(),
});

export const listJobs = jobs.list('Jobs in pages, by their running numbers.', someJobs, jobList);

export const jobsOfTask = query({
  ...{ service: JOB_SERVICE, name: 'jobs_of_task', path: '/tasks/{task}/jobs' },
  summary: 'The jobs of a task in pages, by their running numbers.',
  request: someJobs.extend({ task: entity('task') }),
  answer: jobList,
});

export const jobFiles = query({
  ...{ service: JOB_SERVICE, name: 'job_files', path: '/jobs/{id}/files' },
  summary: 'What a job reads, writes and logs.',
  request: ENTITY.request,
  answer: jobFileList,
});

export const fileStatus = query({
  ...{ service: JOB_SERVICE, name: 'file_status', path: '/files/{file_id}' },
  summary: 'One use of a file by a job.',
  request: request({ file_id: whole(1, Number.MAX_SAFE_INTEGER, { description: 'Its running number.' }) }),
  answer: jobFileMessage,
});

export const listFiles = query({
  ...{ service: JOB_SERVICE, name: 'file_list', path: '/files' },
  summary: 'Uses of files by jobs in pages, by their running numbers.',
  request: request({
    ...pageFields(),
    type: list(oneOf(['input', 'output', 'log']), { description: 'Any of these; all when empty.' }),
    status: list(oneOf(FILE_STATUSES), { description: 'Any of these; all when empty.' }),
  }),
  answer: jobFilePage,
});

export const jobHistory = jobs.history();

export const jobLog = operation({
  service: JOB_SERVICE,
  name: 'job_log',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/jobs/{id}/log', isPiece: true },
  summary:
    'A piece of the log of a job, of the attempt that is asked for or the newest one, also while it runs.',
  request: request({
    id: entity('job'),
    offset: int64({ description: 'From the beginning; negative from the end.' }).optional(),
    length: whole(1, LARGEST_PIECE, { description: 'At most 1 MiB, which is the default.' }).optional(),
    attempt: whole(1, 2 ** 31 - 1, { description: 'Default: the newest.' }).optional(),
  }),
  answer: message('workload.JobLog', {
    content: bytes().optional(),
    ...{ offset: int64().optional(), size: int64({ description: 'Of the log by now.' }).optional() },
    complete: flag({ description: 'Nothing more comes.' }).optional(),
    attempt: int64().optional(),
  }),
});

export const cancelJob = jobs.order(
  'cancel',
  'Cancels a job: at once where it waits, and once nothing of it runs any more where it is under way.',
  { success: 202 },
);

export const retryJob = jobs.order('retry', 'Makes a failed job created again, with all its retries.');
