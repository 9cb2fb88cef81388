/** What can be asked about pilots and ordered of them. */

import { entityOperations, pageFields } from '../../../../node/entities/entity-operations.js';
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
import { ENTITY } from '../shown/entities.js';

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

const pilots = entityOperations({
  ...{ messages: ENTITY, service: PILOT_SERVICE, noun: 'pilot', path: '/pilots', answer: pilotMessage },
});

export const listPilots = pilots.list(
  'Every pilot that is not retired, or those of some statuses.',
  request({
    status: list(oneOf(STATUSES), { description: 'Any of these.' }),
    all: flag({ description: 'Those that are retired as well.' }).optional(),
    ...pageFields('Left out, and without a page_token: all of them.'),
  }),
  message('workload.PilotList', {
    pilots: list(pilotMessage),
    next_page_token: text(undefined, { description: 'Missing on the last page.' }).optional(),
  }),
);

export const pilotStatus = pilots.status(
  'One pilot, by its name or running number, with its newest sample; or as it was.',
  ENTITY.look,
);

export const pilotHistory = pilots.history();

const ofOperators = { roles: ['operator'] } as const;

export const drainPilot = pilots.order(
  'drain',
  'Gives a pilot nothing new; what it runs ends. Again is no error.',
  ofOperators,
);
export const undrainPilot = pilots.order('undrain', 'Gives a drained pilot work again.', ofOperators);
export const retirePilot = pilots.order(
  'retire',
  'Says that a pilot is not expected back. It comes back by attaching.',
  ofOperators,
);
