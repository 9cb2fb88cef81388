/** What talent can be asked for about tasks, beyond the contract of the field. */

import { RECORDED_STATES } from '../../../../../machines/talent/plot-task.js';
import { InvalidFieldError } from '../../../../base/errors.js';
import * as rules from '../../../../base/field-rules.js';
import { commandId } from '../../../../node/entities/entity-messages.js';
import { ORDERERS, pageFields, READERS } from '../../../../node/entities/entity-operations.js';
import { id, list, number, oneOf, request, text, whole } from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import {
  plotTaskChange,
  plotTaskEvent,
  plotTaskListResponse,
  plotTaskStatusResponse,
} from './task-messages.js';

export const SERVICE = 'talent.PlotManager';

const statuses = list(oneOf(RECORDED_STATES), { description: 'Any of these; all when empty.' });
const isTime: rules.NumberRule = (value) => (Number.isFinite(value) ? undefined : rules.noPointInTime(value));

export const retryTask = operation({
  service: SERVICE,
  name: 'plot_task_retry',
  kind: 'decision',
  roles: ORDERERS,
  http: { method: 'POST', path: '/plot-tasks/{task_id}/retry' },
  summary: 'Makes a stopped, failed or finished task received again, as its next attempt.',
  request: request({
    task_id: id(),
    reason: text(rules.isRemarks, { maxLength: 16_384 }).optional(),
    command_id: commandId.optional(),
  }),
  answer: plotTaskStatusResponse,
  commandId: 'command_id',
  inBand: (msg) => ({ type: 'on_retry', is_success: false, msg }),
});

export const failTask = operation({
  service: SERVICE,
  name: 'plot_task_fail',
  kind: 'decision',
  roles: ['operator'],
  http: { method: 'POST', path: '/plot-tasks/{task_id}/fail' },
  summary: 'Calls a task failed whose supervisor holds no lease.',
  request: request({
    task_id: id(),
    reason: text(rules.isRemarks, { maxLength: 16_384, description: 'Why.' }),
    command_id: commandId.optional(),
  }),
  answer: plotTaskStatusResponse,
  commandId: 'command_id',
  inBand: (msg) => ({ type: 'on_fail', is_success: false, msg }),
});

export const listTasks = operation({
  service: SERVICE,
  name: 'plot_task_list',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/plot-tasks' },
  summary: 'Tasks in pages, by when they were created.',
  request: request({
    statuses,
    worker_id: id().optional(),
    cache: text(rules.isAbsolutePath, { description: 'Matches cache1 or cache2.' }).optional(),
    created_from: number(isTime, { description: 'At or after: Unix seconds.' }).optional(),
    created_before: number(isTime, { description: 'Before: Unix seconds.' }).optional(),
    ...pageFields(),
    task_id_prefix: id({ description: 'Tasks whose id begins with this.' }).optional(),
  }),
  answer: plotTaskListResponse,
});

export const watchTasks = operation({
  service: SERVICE,
  name: 'plot_task_watch',
  kind: 'query',
  roles: ['reader', 'submitter', 'operator'],
  http: { method: 'GET', path: '/plot-tasks/watch' },
  summary:
    'First every task that matches as it is now, then each change of one that matches or has just ceased to.',
  isStream: true,
  request: request({
    task_ids: list(id(), { most: 1000, noun: 'ids', description: 'Any of these; all when empty.' }),
    statuses,
    worker_id: id().optional(),
  }),
  answer: plotTaskChange,
});

export const taskHistory = operation({
  service: SERVICE,
  name: 'plot_task_history',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/plot-tasks/{task_id}/history' },
  summary: 'What happened to one task, oldest first.',
  isStream: true,
  request: request({
    task_id: id(),
    from_revision: whole(0, Number.MAX_SAFE_INTEGER, { description: 'The first one, inclusive.' }).optional(),
  }),
  answer: plotTaskEvent,
  resumption: {
    idOf: ({ revision = 0 }) => String(revision),
    after: (asked, revision) => {
      if (!/^\d{1,15}$/.test(revision)) throw new InvalidFieldError('Last-Event-ID', 'must be a revision');
      return { ...asked, from_revision: Number(revision) + 1 };
    },
  },
});
