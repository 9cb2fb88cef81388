/**
 * How deep JSON may be that is stored or read as an event. Guarantees that nobody who walks through an event's data or metadata
 * by recursion runs out of stack, whatever somebody has put where it is stored. Schemas are far stricter (LIMITS.levels).
 */

import { isJsonObject, type JsonObject } from './event-store.js';

/** Lists and objects in one another, the outermost included. */
export const MOST_LEVELS = 64;

export function isTooDeep(value: unknown, levels = MOST_LEVELS): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isTooDeep(item, levels - 1));
  return isJsonObject(value) && hasTooDeep(value, levels);
}

/** Its own loop, without a list of what is in it: each event that is stored comes by. */
function hasTooDeep(value: JsonObject, levels: number): boolean {
  for (const name in value) {
    const item = value[name];
    if (typeof item === 'object' && isTooDeep(item, levels - 1)) return true;
  }
  return false;
}

/** Undefined where the text is no JSON, or JSON that is too deep. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    // Each level takes two characters of the text.
    return text.length > 2 * MOST_LEVELS && isTooDeep(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
