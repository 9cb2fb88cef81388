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
import { entityLook } from '../shown/entity-messages.js';
import { history, order, query } from '../shown/entity-operations.js';

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

export const listPilots = query({
  ...{ service: PILOT_SERVICE, name: 'pilot_list', path: '/pilots' },
  summary: 'Every pilot that is not retired, or those of some statuses.',
  request: request({
    status: list(oneOf(STATUSES), { description: 'Any of these.' }),
    all: flag({ description: 'Those that are retired as well.' }).optional(),
  }),
  answer: message('workload.PilotList', { pilots: list(pilotMessage) }),
});

const one = { service: PILOT_SERVICE, path: '/pilots/{id}' };

export const pilotStatus = query({
  ...{ ...one, name: 'pilot_status', request: entityLook, answer: pilotMessage },
  summary: 'One pilot, by its name or running number, with its newest sample; or as it was.',
});

export const pilotHistory = history({ ...one, name: 'pilot_history' }, 'pilot');

const orderOf = (name: 'drain' | 'undrain' | 'retire', summary: string) =>
  order({
    ...{ service: PILOT_SERVICE, name: `pilot_${name}`, path: `${one.path}/${name}` },
    ...{ summary, roles: ['operator'], answer: pilotMessage },
  });

export const drainPilot = orderOf(
  'drain',
  'Gives a pilot nothing new; what it runs ends. Again is no error.',
);
export const undrainPilot = orderOf('undrain', 'Gives a drained pilot work again.');
export const retirePilot = orderOf(
  'retire',
  'Says that a pilot is not expected back. It comes back by attaching.',
);
