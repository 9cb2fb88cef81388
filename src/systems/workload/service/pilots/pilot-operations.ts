/** What can be asked about pilots and ordered of them. */

import {
  explicit,
  flag,
  int64,
  list,
  message,
  number,
  oneOf,
  request,
  text,
} from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import { entityEvent, entityLook, entityOrder, entityRequest } from '../shown/entity-messages.js';

export const PILOT_SERVICE = 'workload.PilotManager';
const STATUSES = ['active', 'draining', 'lost', 'detached', 'retired'] as const;

const some = text().optional();
const count = int64().optional();
const moment = explicit(number(undefined, { description: 'Unix seconds' }));

export const pilotMessage = message('workload.Pilot', {
  ...{ pilot_id: count, name: some },
  status: text(undefined, { description: STATUSES.join(', ') }).optional(),
  ...{ session_id: some, device_type: some, slots: count, slots_used: count, memory_mib: explicit(int64()) },
  ...{ host: some, pid: count, version: some, executables: list(text()), lease_seconds: count },
  registered_time: number(undefined, { description: 'Unix seconds' }).optional(),
  ...{ lost_time: moment, last_report_time: moment, jobs_done: count, jobs_failed: count },
  metrics: text(undefined, { description: 'Its newest sample, as JSON.' }).optional(),
  ...{ remarks: some, revision: count },
});

export const listPilots = operation({
  service: PILOT_SERVICE,
  name: 'pilot_list',
  kind: 'query',
  roles: ['reader', 'submitter', 'worker', 'operator'],
  http: { method: 'GET', path: '/pilots' },
  summary: 'Every pilot that is not retired, or those of some statuses.',
  request: request({
    status: list(oneOf(STATUSES), { description: 'Any of these.' }),
    all: flag({ description: 'Those that are retired as well.' }).optional(),
  }),
  answer: message('workload.PilotList', { pilots: list(pilotMessage) }),
});

export const pilotStatus = operation({
  service: PILOT_SERVICE,
  name: 'pilot_status',
  kind: 'query',
  roles: ['reader', 'submitter', 'worker', 'operator'],
  http: { method: 'GET', path: '/pilots/{id}' },
  summary: 'One pilot, by its name or running number, with its newest sample; or as it was.',
  request: entityLook,
  answer: pilotMessage,
});

export const pilotHistory = operation({
  service: PILOT_SERVICE,
  name: 'pilot_history',
  kind: 'query',
  roles: ['reader', 'submitter', 'worker', 'operator'],
  http: { method: 'GET', path: '/pilots/{id}/history' },
  summary: 'What happened to one pilot, oldest first.',
  isStream: true,
  request: entityRequest,
  answer: entityEvent,
});

const order = <const Name extends string>(name: Name, path: string, summary: string) =>
  operation({
    service: PILOT_SERVICE,
    name,
    kind: 'decision',
    roles: ['operator'],
    http: { method: 'POST', path: `/pilots/{id}/${path}` },
    summary,
    request: entityOrder,
    answer: pilotMessage,
    commandId: 'command_id',
  });

export const drainPilot = order(
  'pilot_drain',
  'drain',
  'Gives a pilot nothing new; what it runs ends. Again is no error.',
);
export const undrainPilot = order('pilot_undrain', 'undrain', 'Gives a drained pilot work again.');
export const retirePilot = order(
  'pilot_retire',
  'retire',
  'Says that a pilot is not expected back. It comes back by attaching.',
);
