/**
 * Bodies of requests. Guarantee: what is read is UTF-8 and JSON, no deeper than a request can mean; what is not is refused
 * with what is wrong and where, before anything is built from it.
 */

import { messageOf } from '../../../base/errors.js';
import { HttpError } from './problem.js';

/** Lists and objects in each other. */
const DEEPEST = 32;

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\[]{}'].map((character) =>
  character.charCodeAt(0),
);

/** @throws HttpError 400 */
export function readJson(body: Buffer): unknown {
  if (body.length === 0) throw new HttpError(400, 'the body is empty; send a JSON object, {} at least');
  assertShallow(body);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw new HttpError(400, `the body can not be read as JSON: ${messageOf(error)}`);
  }
}

function assertShallow(body: Buffer): void {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (inText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      depth++;
      if (depth > DEEPEST)
        throw new HttpError(400, `the body is more than ${DEEPEST} lists and objects deep at byte ${at}`);
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
  }
}
