/** What requests and answers about entities have in common: naming one, ordering something of it, what happened to it. */

import type { z } from 'zod';
import * as rules from '../../base/field-rules.js';
import { explicit, id, int64, message, number, request, text } from '../operations/fields.js';

const LONGEST_REASON = 1_000;
const UID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

const isUid: rules.TextRule = (value) =>
  UID.test(value) ? undefined : 'must be a UUID: 32 hex digits, with or without dashes';

/** A UUID in either form; `asUuid` makes the stored one of it. */
export function uid(options: { readonly description?: string } = {}) {
  return text(isUid, { maxLength: 36, pattern: UID.source, ...options });
}

export const reason = text(rules.isText(LONGEST_REASON), { maxLength: LONGEST_REASON, description: 'Why.' });
export const commandId = id({
  description: 'Of this very order: sent again within 24 hours, it changes nothing.',
});
const isTime: rules.NumberRule = (value) =>
  value >= 0 && value < 1e11 ? undefined : 'must be a time in Unix seconds';

const some = text().optional();

interface EntityWords {
  /** The package of the system's proto file, which has a message `EntityEvent`. */
  readonly system: string;
  /** What an entity may be named by. */
  readonly named: string;
  /** What is left out of one as it was. */
  readonly leftOut: string;
}

/** The messages of a system's entities. Made once for each system. */
export function entityMessages({ system, named, leftOut }: EntityWords) {
  const id = text(rules.isLine(64), { maxLength: 64, description: named });
  const asOf = number(isTime, {
    description: `Unix seconds: as it was then, by its own history alone. ${leftOut}`,
  });
  return {
    id,
    /** One entity. */
    request: request({ id }),
    /** One entity, now or as it was. */
    look: request({ id, as_of: explicit(asOf) }),
    /** What is wanted of one, and why. */
    order: request({ id, reason: reason.optional(), command_id: commandId.optional() }),
    /** What happened to one. */
    event: message(`${system}.EntityEvent`, {
      revision: int64().optional(),
      type: some,
      time: number(undefined, { description: 'Unix seconds' }).optional(),
      data: text(undefined, { description: 'As JSON.' }).optional(),
      by: some,
      command_id: some,
      problem: text(undefined, { description: 'Why nobody may go by it.' }).optional(),
    }),
  };
}

export type EntityMessages = ReturnType<typeof entityMessages>;
export type EntityEvent = z.input<EntityMessages['event']>;
