/** What can be asked for about tasks. */

import * as rules from '../../../../base/field-rules.js';
import { commandId, uid } from '../../../../node/entities/entity-messages.js';
import { entityOperations, ORDERERS, pageFields } from '../../../../node/entities/entity-operations.js';
import { explicit, flag, list, oneOf, request, text, whole } from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import { ENTITY } from '../shown/entities.js';
import { PAYLOAD, rank, storageUrl } from '../shown/payload-fields.js';
import { TASK_STATES, taskList, taskMessage } from './task-messages.js';

export const TASKS = 'workload.TaskManager';

const tasks = entityOperations({
  ...{ messages: ENTITY, service: TASKS, noun: 'task', path: '/tasks', answer: taskMessage },
});

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

export const taskStatus = tasks.status('One task as it is, with why it waits; or as it was.', ENTITY.look);

const states = list(oneOf(TASK_STATES), { description: 'Any of these; all when empty.' });
const some = request({ ...pageFields('Default 100.'), state: states });

export const listTasks = tasks.list('Tasks in pages, by when they were submitted.', some, taskList);

export const watchTasks = tasks.watch(
  'Every task in one of these states as it is now, then each that changes, whatever its state is by then.',
  some,
);

export const taskHistory = tasks.history();

export const holdTask = tasks.order('hold', 'Nothing more of it begins; what runs goes on.');
export const releaseTask = tasks.order('release', 'What was held goes on.');
export const finishTask = tasks.order(
  'finish',
  'Nothing new of it begins, what runs ends, and then it is finished as it is.',
);
export const retryTask = tasks.order('retry', 'What failed, and what was never made, is done again.');
export const cancelTask = tasks.order(
  'cancel',
  'Answered once it is durable; cancelled once nothing of it runs any more.',
  { success: 202 },
);

export const rankTask = operation({
  service: TASKS,
  name: 'task_rank',
  kind: 'decision',
  roles: ORDERERS,
  http: { method: 'PATCH', path: '/tasks/{id}' },
  summary: 'Another rank, for what of it is not queued yet.',
  request: request({ id: ENTITY.id, rank: explicit(rank), command_id: commandId.optional() }),
  answer: taskMessage,
  commandId: 'command_id',
});
