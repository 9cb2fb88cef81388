/**
 * Ids that follow from what they name, so that a retry makes the same ones again (rule 3 of the architecture).
 *
 * Guarantees: equal inputs give equal ids on every node and in every release; different inputs give different ids as
 * surely as SHA-1 tells them apart. Nothing here protects against someone who constructs collisions on purpose.
 */

import { hash } from 'node:crypto';
import { OwlError } from '../../base/errors.js';
import { uuidOf } from '../../base/uuid.js';
import { canonicalJson } from './canonical.js';
import type { JsonObject, StreamName } from './event-store.js';
import { isTooDeep, MOST_LEVELS } from './json-levels.js';

/** Set before everything that is hashed, one per kind of id. Changing one changes every id it ever made. */
const EVENT_NAMESPACE = 'owl/event-id/2';
const CONTENT_COMMAND_NAMESPACE = 'owl/content-command-id/1';

/**
 * The id of a command's event: a UUID made in the way of version 5. A command that was forgotten and is carried out again, at
 * another place, makes other ids: no stream holds one twice.
 * @param revision that the event is to have
 * @param index 0-based, among the events that the command appends to the stream
 */
export function eventIdOf(commandId: string, stream: StreamName, revision: number, index: number): string {
  // The stream's length keeps apart what would read the same when joined; the command id ends the text.
  return uuidOf(`${EVENT_NAMESPACE}/${revision}/${index}/${stream.length}/${stream}/${commandId}`);
}

/** What an order asked for, in short: its name, and a digest that differs where anything else of it does. */
export function askedOf(name: string, content: JsonObject): string {
  return `${name}/${hash('sha1', jsonInOrder(content), 'hex').slice(0, 20)}`;
}

/**
 * The id of a command that came without one. It is the same command only if it decides the same events at the same
 * revision. Data with the same fields in another order is another content, which is exact enough, because a command that is
 * decided again builds its data the same way. In maps and records the order does not count.
 * @param revision of the stream's last event when it was decided; -1 for none
 */
export function contentCommandId(
  stream: StreamName,
  revision: number,
  events: readonly { readonly type: string; readonly data: JsonObject }[],
): string {
  const content = events.map(({ type, data }) => `[${JSON.stringify(type)},${jsonInOrder(data)}]`);
  return uuidOf(
    `${CONTENT_COMMAND_NAMESPACE}/[${JSON.stringify(stream)},${revision},[${content.join(',')}]]`,
  );
}

/**
 * JSON with the fields in their order. What is in them comes in its canonical form, whatever order its keys have.
 * @throws OwlError kind `invalid` where it is too deep
 */
function jsonInOrder(content: JsonObject): string {
  if (isFlat(content)) return JSON.stringify(content);
  if (isTooDeep(content))
    throw new OwlError(
      'invalid',
      `the content of a command is deeper than ${MOST_LEVELS} levels; make it flatter`,
    );
  const fields = Object.entries(content).flatMap(([name, item]) =>
    item === undefined ? [] : [`${JSON.stringify(name)}:${canonicalJson(item)}`],
  );
  return `{${fields.join(',')}}`;
}

/** Its own loop, without a list of what is in it: each command without an id comes by. */
function isFlat(content: JsonObject): boolean {
  for (const name in content) if (typeof content[name] === 'object' && content[name] !== null) return false;
  return true;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Lower case only: ids are compared as texts. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
