/** What can be asked for about what happens: every event, as it is stored. */

import { workload } from '../../../../../projections/workload/workload.js';
import { READERS } from '../../../../node/entities/entity-operations.js';
import { int64, list, message, number, oneOf, request, text } from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';

export const EVENTS = 'workload.Events';

/** As people and programs call them: `job` for streams of the category `wl_job`. */
export const EVENT_CATEGORIES = workload.categories.map((name) => name.replace(/^wl_/, ''));

const some = text().optional();

export const watchEvents = operation({
  service: EVENTS,
  name: 'event_watch',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/events' },
  summary:
    'Every event behind a cursor, in order, then each that is stored: none is missed, and none told twice.',
  isStream: true,
  resumption: {
    idOf: ({ cursor }) => cursor,
    after: (asked, id) => ({ ...asked, after: id }),
  },
  request: request({
    category: list(oneOf(EVENT_CATEGORIES), { description: 'Any of these; all when empty.' }),
    after: text(undefined, {
      description:
        'The cursor of the event that was taken last. Left out: from the beginning; `now`: what comes from now on.',
    }).optional(),
  }),
  answer: message('workload.StoredEvent', {
    cursor: text(undefined, {
      description: 'Following goes on behind this event with it. Opaque.',
    }).optional(),
    category: some,
    id: text(undefined, { description: 'Whose event it is: a uid; of a pilot its name.' }).optional(),
    ...{ revision: int64().optional(), type: some },
    time: number(undefined, { description: 'Unix seconds' }).optional(),
    data: text(undefined, { description: 'As JSON.' }).optional(),
    ...{ by: some, command_id: some },
    problem: text(undefined, { description: 'Why nobody may go by it.' }).optional(),
  }),
});
