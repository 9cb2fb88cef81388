/** What can be asked for about tasks. */

import * as rules from '../../../../base/field-rules.js';
import { explicit, flag, list, oneOf, request, text, whole } from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import {
  commandId,
  ENTITY_REQUEST,
  entityEvent,
  entityLook,
  entityOrder,
  uid,
} from '../shown/entity-messages.js';
import { PAYLOAD, rank, storageUrl } from '../shown/payload-fields.js';
import { TASK_STATES, taskList, taskMessage } from './task-messages.js';

export const TASKS = 'workload.TaskManager';
const LARGEST_PAGE = 1000;
const READERS = ['reader', 'submitter', 'worker', 'operator'] as const;
const ORDERERS = ['submitter', 'operator'] as const;

export const submitTask = operation({
  service: TASKS,
  name: 'task_submit',
  kind: 'decision',
  roles: ORDERERS,
  choosesProgram: true,
  http: { method: 'POST', path: '/tasks', success: 201 },
  summary: 'Orders that an executable be run over the files of a dataset.',
  request: request({
    ...PAYLOAD,
    data_in_uid: uid({ description: 'The dataset that it reads.' }),
    storage_url: storageUrl.optional(),
    data_out_url: storageUrl,
    files_per_job: explicit(
      whole(1, 1000, { description: 'Default 1 for map; 100, and 2 at least, for merge.' }),
    ),
    max_failed_jobs: whole(0, 1_000_000_000).optional(),
    require_complete: explicit(flag({ description: 'Default true: a failed input file fails the task.' })),
    until_one: flag({ description: 'merge: level after level, until one file is left.' }).optional(),
    name: text(rules.isLine(200), { maxLength: 200 }).optional(),
    uid: uid({ description: 'Given by the caller, or made.' }).optional(),
    command_id: commandId.optional(),
  }),
  answer: taskMessage,
  commandId: 'command_id',
  creates: 'uid',
});

export const taskStatus = operation({
  service: TASKS,
  name: 'task_status',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/tasks/{id}' },
  summary: 'One task as it is, with why it waits; or as it was.',
  request: entityLook,
  answer: taskMessage,
});

const states = list(oneOf(TASK_STATES), { description: 'Any of these; all when empty.' });
const LIST = {
  page_size: whole(1, LARGEST_PAGE, { description: 'Default 100.' }).optional(),
  page_token: text(undefined, { description: 'next_page_token of the page before.' }).optional(),
  newest_first: flag().optional(),
  state: states,
};

export const listTasks = operation({
  service: TASKS,
  name: 'task_list',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/tasks' },
  summary: 'Tasks in pages, by when they were submitted.',
  request: request(LIST),
  answer: taskList,
});

export const watchTasks = operation({
  service: TASKS,
  name: 'task_watch',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/tasks/watch' },
  summary:
    'Every task in one of these states as it is now, then each that changes, whatever its state is by then.',
  isStream: true,
  request: request(LIST),
  answer: taskMessage,
});

export const taskHistory = operation({
  service: TASKS,
  name: 'task_history',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/tasks/{id}/history' },
  summary: 'What happened to one task, oldest first.',
  isStream: true,
  request: request(ENTITY_REQUEST),
  answer: entityEvent,
});

function order(name: 'hold' | 'release' | 'finish' | 'retry' | 'cancel', summary: string) {
  return operation({
    service: TASKS,
    name: `task_${name}`,
    kind: 'decision',
    roles: ORDERERS,
    http: { method: 'POST', path: `/tasks/{id}/${name}`, ...(name === 'cancel' ? { success: 202 } : {}) },
    summary,
    request: entityOrder,
    answer: taskMessage,
    commandId: 'command_id',
  });
}

export const holdTask = order('hold', 'Nothing more of it begins; what runs goes on.');
export const releaseTask = order('release', 'What was held goes on.');
export const finishTask = order(
  'finish',
  'Nothing new of it begins, what runs ends, and then it is finished as it is.',
);
export const retryTask = order('retry', 'What failed, and what was never made, is done again.');
export const cancelTask = order(
  'cancel',
  'Answered once it is durable; cancelled once nothing of it runs any more.',
);

export const rankTask = operation({
  service: TASKS,
  name: 'task_rank',
  kind: 'decision',
  roles: ORDERERS,
  http: { method: 'PATCH', path: '/tasks/{id}' },
  summary: 'Another rank, for what of it is not queued yet.',
  request: request({ ...ENTITY_REQUEST, rank: explicit(rank), command_id: commandId.optional() }),
  answer: taskMessage,
  commandId: 'command_id',
});
