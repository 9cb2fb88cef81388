/** What requests and answers of all parts have in common: naming an entity, ordering something of it, what happened to it. */

import * as rules from '../../../../base/field-rules.js';
import { explicit, id, int64, message, number, request, text } from '../../../../node/operations/fields.js';

const LONGEST_REASON = 1_000;
const UID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

const isUid: rules.TextRule = (value) =>
  UID.test(value) ? undefined : 'must be a UUID: 32 hex digits, with or without dashes';

/** A UUID in either form; `asUid` makes the stored one of it. */
export function uid(options: { readonly description?: string } = {}) {
  return text(isUid, { maxLength: 36, pattern: UID.source, ...options });
}

/** @param given has passed the rule of `uid` */
export function asUid(given: string): string {
  const hex = given.replaceAll('-', '').toLowerCase();
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([from, to]) => hex.slice(from, to))
    .join('-');
}

export const reason = text(rules.isText(LONGEST_REASON), { maxLength: LONGEST_REASON, description: 'Why.' });
export const commandId = id({
  description: 'Of this very order: sent again within 24 hours, it changes nothing.',
});
const entityId = text(rules.isLine(64), {
  maxLength: 64,
  description: 'A uid, a beginning of one that no other has, or a running number; of a dataset its name too.',
});

export const ENTITY_REQUEST = { id: entityId };
export const entityRequest = request(ENTITY_REQUEST);

const isTime: rules.NumberRule = (value) =>
  value >= 0 && value < 1e11 ? undefined : 'must be a time in Unix seconds';

/** One entity, now or as it was. */
export const entityLook = request({
  ...ENTITY_REQUEST,
  as_of: explicit(
    number(isTime, {
      description:
        'Unix seconds: as it was then, by its own history alone. What its row counts of other streams is left out: jobs of a task, files of a dataset by their state, samples of a pilot.',
    }),
  ),
});

export const ENTITY_ORDER = { id: entityId, reason: reason.optional(), command_id: commandId.optional() };
export const entityOrder = request(ENTITY_ORDER);

const some = text().optional();

export const entityEvent = message('workload.EntityEvent', {
  revision: int64().optional(),
  type: some,
  time: number(undefined, { description: 'Unix seconds' }).optional(),
  data: text(undefined, { description: 'As JSON.' }).optional(),
  by: some,
  command_id: some,
  problem: text(undefined, { description: 'Why nobody may go by it.' }).optional(),
});
