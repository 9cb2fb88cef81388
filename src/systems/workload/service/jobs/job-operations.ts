/** What can be asked about jobs. */

import { flag, list, oneOf, request, text, whole } from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import { FAULT_OF, type FailureClass } from './failure-classes.js';
import { jobList, jobMessage } from './job-messages.js';

export const JOB_SERVICE = 'workload.JobManager';
const LARGEST_PAGE = 1000;

const STATES = [
  ...(['created', 'queued', 'staging', 'running', 'cancelling', 'failed', 'finished', 'cancelled'] as const),
];
const CLASSES = Object.keys(FAULT_OF).filter((name): name is FailureClass => name in FAULT_OF);

const entity = (noun: string) =>
  text(undefined, { description: `The uid of the ${noun}, a beginning of it, or its running number.` });

export const jobStatus = operation({
  service: JOB_SERVICE,
  name: 'job_status',
  kind: 'query',
  roles: ['reader', 'submitter', 'worker', 'operator'],
  http: { method: 'GET', path: '/jobs/{id}' },
  summary: 'One job as it is now; where it waits, why.',
  request: request({ id: entity('job') }),
  answer: jobMessage,
});

export const listJobs = operation({
  service: JOB_SERVICE,
  name: 'job_list',
  kind: 'query',
  roles: ['reader', 'submitter', 'worker', 'operator'],
  http: { method: 'GET', path: '/jobs' },
  summary: 'Jobs in pages, by their running numbers.',
  request: request({
    page_size: whole(1, LARGEST_PAGE, { description: 'Default 100. A page ends at 3 MiB.' }).optional(),
    page_token: text(undefined, { description: 'next_page_token of the page before.' }).optional(),
    newest_first: flag().optional(),
    state: list(oneOf(STATES), { description: 'Any of these; all when empty.' }),
    task: entity('task').optional(),
    pilot: text(undefined, { description: 'Those that it has, or had last.' }).optional(),
    failure_class: oneOf(CLASSES).optional(),
  }),
  answer: jobList,
});
