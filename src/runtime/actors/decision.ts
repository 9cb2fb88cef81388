/**
 * What a decision gives, taken apart: its events, and the answer as whoever asks gets it. Pure.
 *
 * Guarantees: the answer is what JSON makes of it, so the first one and each repeated one are equal and nobody shares an object
 * with another; what is no JSON object, or too large, is refused before the machine moves.
 */

import { messageOf, OwlError } from '../../base/errors.js';
import { isJsonObject, type JsonObject } from '../event-store/event-store.js';
import type { AnsweredDecision, DomainEvent } from './actor-type.js';

/** Characters of an answer's JSON. It is kept in memory for a day: what is larger belongs into events, and the answer names it. */
export const LARGEST_ANSWER = 16 * 1024;

export function eventsOf(
  decided: readonly DomainEvent[] | AnsweredDecision<JsonObject>,
): readonly DomainEvent[] {
  return 'answer' in decided ? decided.events : decided;
}

/**
 * A copy of the answer; undefined where there is none.
 * @throws OwlError kind `invalid`
 */
export function answerOf(
  decided: readonly DomainEvent[] | AnsweredDecision<JsonObject>,
): JsonObject | undefined {
  if (!('answer' in decided)) return undefined;
  const answer: unknown = decided.answer;
  if (!isJsonObject(answer)) throw new OwlError('invalid', 'the answer of a command must be a JSON object');
  const json = jsonOf(answer);
  if (json.length > LARGEST_ANSWER) {
    throw new OwlError(
      'invalid',
      `the answer of a command is ${json.length} characters of JSON, more than ${LARGEST_ANSWER}; store what is large in events and let the answer name it`,
    );
  }
  const copy: JsonObject = JSON.parse(json);
  return copy;
}

/** @param json of an answer that was checked */
export function parsedAnswer(json: string | undefined): JsonObject | undefined {
  if (json === undefined) return undefined;
  const answer: JsonObject = JSON.parse(json);
  return answer;
}

function jsonOf(answer: JsonObject): string {
  try {
    return JSON.stringify(answer);
  } catch (error) {
    throw new OwlError('invalid', `the answer of a command has no JSON form: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
