/**
 * Bodies of requests. Guarantee: what is read is UTF-8 and JSON, no deeper than a request can mean, and says nothing twice, for
 * of two values of a key each reader may take another; what is not is refused with what is wrong and where, before anything is
 * built from it.
 */

import { messageOf } from '../../../base/errors.js';
import { HttpError } from './problem.js';

/** Lists and objects in each other. */
const DEEPEST = 32;

/** One with more is no request: who it is sent to refuses what he doesn't know. */
const MOST_KEYS = 1_000;

const [QUOTE, BACKSLASH, COLON, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\:[]{}'].map(
  (character) => character.charCodeAt(0),
);

/** @throws HttpError 400 */
export function readJson(body: Buffer): unknown {
  if (body.length === 0) throw new HttpError(400, 'the body is empty; send a JSON object, {} at least');
  assertPlain(body);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw new HttpError(400, `the body can not be read as JSON: ${messageOf(error)}`);
  }
}

/** Neither too deep, nor with a key twice. */
function assertPlain(body: Buffer): void {
  /** The keys of each object that it is in; undefined for a list. */
  const around: (Set<string> | undefined)[] = [];
  /** Where the last text begins and ends, its quotes left out. */
  let [from, to] = [0, 0];
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === QUOTE) {
      from = at + 1;
      to = endOfText(body, from);
      at = to;
    } else if (byte === COLON) note(around.at(-1), body.subarray(from, to), from - 1);
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      around.push(byte === OPEN_OBJECT ? new Set() : undefined);
      if (around.length > DEEPEST)
        throw new HttpError(400, `the body is more than ${DEEPEST} lists and objects deep at byte ${at}`);
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) around.pop();
  }
}

/** Where its last quote stands, or the body ends. */
function endOfText(body: Buffer, from: number): number {
  let at = from;
  while (at < body.length && body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1;
  return at;
}

function note(keys: Set<string> | undefined, bytes: Buffer, at: number): void {
  if (keys === undefined || keys.size >= MOST_KEYS) return;
  const key = keyIn(bytes);
  if (keys.has(key))
    throw new HttpError(400, `the body has ${JSON.stringify(key)} twice in one object, at byte ${at}`);
  keys.add(key);
}

function keyIn(bytes: Buffer): string {
  const text = bytes.toString();
  if (!text.includes('\\')) return text;
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    // No JSON: what reads the whole says so.
    return text;
  }
}
