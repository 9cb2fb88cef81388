/** What supervisors and those who look after them can ask for. Their work and their reports are streams of gRPC alone. */

import * as rules from '../../../../base/field-rules.js';
import { READERS } from '../../../../node/entities/entity-operations.js';
import {
  id,
  int32,
  list,
  message,
  number,
  request,
  text,
  whole,
} from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import { SERVICE } from './task-operations.js';

const worker = id({ description: "Whose machine it is. Default: this node's." }).optional();
const session = id({ description: 'Made by the supervisor at each of its starts.' });
const some = text().optional();
const instant = number(undefined, { description: 'Unix seconds' }).optional();

const count = (options: { readonly description?: string } = {}) => whole(0, 2 ** 31 - 1, options);
const amount = (options: { readonly description?: string }) =>
  number(rules.isNumber(0, Number.MAX_SAFE_INTEGER), options);

const lease = message('talent.SupervisorLease', {
  ...{ worker_id: some, session_id: some },
  status: text(undefined, { description: 'attached, lost or detached' }).optional(),
  ...{ lease_seconds: int32().optional(), expires_at: instant },
});

const figures = request({
  plotters: count({ description: 'Plots whose process runs.' }).optional(),
  cpu_cores: amount({ description: 'That these keep busy.' }).optional(),
  memory_bytes: amount({ description: 'That these take.' }).optional(),
  waiting: list(
    request({
      reason: id({ description: 'max_plots, space, draining and so on.' }).optional(),
      tasks: count().optional(),
    }),
    { most: 100, noun: 'reasons' },
  ),
}).meta({ description: 'What goes on on the machine, for metrics: nothing of it is stored.' });

export const attachSupervisor = operation({
  service: SERVICE,
  name: 'supervisor_attach',
  kind: 'decision',
  roles: ['worker'],
  worker: 'worker_id',
  http: { method: 'POST', path: '/supervisors/attach' },
  summary:
    'Takes the lease of a machine, from any other session too. The same session attaching again renews it.',
  request: request({
    worker_id: worker,
    host: text(rules.isLine(255), { maxLength: 255 }).optional(),
    session_id: session,
    pid: whole(1, 2 ** 31 - 1).optional(),
    lease_seconds: whole(1, 3600, { description: 'Default 30.' }).optional(),
    version: text(rules.isLine(64), { maxLength: 64 }).optional(),
    report_key_hash: text(rules.isKeyHash, {
      pattern: '^[0-9a-f]{64}$',
      description: 'SHA-256, in hex, of the key that it and its log receiver report with.',
    }).optional(),
  }),
  answer: lease,
});

export const heartbeatSupervisor = operation({
  service: SERVICE,
  name: 'supervisor_heartbeat',
  kind: 'decision',
  roles: ['worker'],
  worker: 'worker_id',
  http: { method: 'POST', path: '/supervisors/heartbeat' },
  summary: 'A sign of life, which keeps the lease or takes it back when it was lost.',
  request: request({ worker_id: worker, session_id: session, figures: figures.optional() }),
  answer: lease,
});

export const detachSupervisor = operation({
  service: SERVICE,
  name: 'supervisor_detach',
  kind: 'decision',
  roles: ['worker'],
  worker: 'worker_id',
  http: { method: 'POST', path: '/supervisors/detach' },
  summary: 'Gives the lease back. Again is no error.',
  request: request({
    worker_id: worker,
    session_id: session,
    reason: text(rules.isRemarks, { maxLength: 16_384 }).optional(),
  }),
  answer: message('talent.SupervisorDetachResponse', {}),
});

export const tellSupervisorPlots = operation({
  service: SERVICE,
  name: 'supervisor_plots',
  kind: 'decision',
  roles: ['worker'],
  worker: 'worker_id',
  http: { method: 'POST', path: '/supervisors/plots' },
  summary:
    'Says which plots the machine has: tasks that are believed to be under way there and are not named fail as lost.',
  request: request({
    worker_id: worker,
    session_id: session,
    plots: list(message('talent.SupervisorPlot', { task_id: id(), attempt: whole(1, 2 ** 31 - 1) }), {
      most: 10_000,
      noun: 'plots',
      description: 'All that are not settled.',
    }),
  }),
  answer: message('talent.SupervisorPlotsResponse', { missing: list(text()) }),
});

export const listSupervisors = operation({
  service: SERVICE,
  name: 'supervisor_list',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/supervisors' },
  summary: 'Every supervisor that was ever attached.',
  request: request({}),
  answer: message('talent.SupervisorListResponse', {
    supervisors: list(
      message('talent.SupervisorStatus', {
        ...{ worker_id: some, session_id: some, host: some, pid: int32().optional(), status: some },
        ...{ lease_seconds: int32().optional(), attached_time: instant, lost_time: instant },
        ...{ returned_time: instant, detached_time: instant, remarks: some },
        version: text(undefined, { description: "Of the supervisor's program." }).optional(),
        node_id: text(undefined, { description: 'The talent that keeps the lease.' }).optional(),
      }),
    ),
  }),
});
