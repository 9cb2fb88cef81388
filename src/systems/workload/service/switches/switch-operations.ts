/** What can be asked for about switches. */

import { commandId, reason } from '../../../../node/entities/entity-messages.js';
import { historyOf, query } from '../../../../node/entities/entity-operations.js';
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
import { SWITCH_NAMES } from '../../switch-names.js';
import { ENTITY } from '../shown/entities.js';

const SERVICE = 'workload.Switches';

const some = text().optional();

export const switchMessage = message('workload.Switch', {
  switch: text(undefined, { description: SWITCH_NAMES.join(' or ') }).optional(),
  enabled: flag().optional(),
  strict: flag({ description: 'What is queued already is not granted either.' }).optional(),
  reason: some,
  by: text(undefined, { description: 'Who has switched it last.' }).optional(),
  since: explicit(number(undefined, { description: 'Unix seconds' })),
  revision: int64().optional(),
  ending: flag({
    description: 'It is off, and what was under way has not ended yet, as far as is known.',
  }).optional(),
});

const named = { switch: oneOf(SWITCH_NAMES) };

export const listSwitches = query({
  ...{ service: SERVICE, name: 'switch_list', path: '/switches' },
  summary: 'Every switch as it is.',
  request: request({}),
  answer: message('workload.SwitchList', { switches: list(switchMessage) }),
});

const one = { service: SERVICE, path: '/switches/{switch}', request: request(named) };

export const switchStatus = query({
  ...{ ...one, name: 'switch_status', answer: switchMessage },
  summary: 'Whether the splitter or the executor is on, and who has switched it off, when and why.',
});

export const switchHistory = historyOf({ ...one, name: 'switch_history', event: ENTITY.event }, 'switch');

export const setSwitch = operation({
  service: SERVICE,
  name: 'switch_set',
  kind: 'decision',
  roles: ['operator'],
  http: { method: 'PUT', path: '/switches/{switch}' },
  summary:
    'Switches the splitter or the executor off or on. Answered once what was under way has ended: from then nothing of it happens.',
  request: request({
    ...named,
    enabled: explicit(flag()),
    reason: reason.optional(),
    strict: flag({
      description: 'Of the executor, switched off: what is queued already is not granted either.',
    }).optional(),
    command_id: commandId.optional(),
  }),
  answer: switchMessage,
  commandId: 'command_id',
});
