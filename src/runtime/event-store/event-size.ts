/**
 * How large an event may be, whichever store it comes to: what an EventStoreDB takes that nobody has configured. Looked at
 * where events are new. Histories of before may hold larger ones, up to LARGEST_EVENT (append-check.ts).
 */

import { isJsonObject, type ProposedEvent } from './event-store.js';
import { isTooDeep, MOST_LEVELS } from './json-levels.js';

/** Of data and metadata as JSON in UTF-8, and what a store writes beside them. */
export const LARGEST_EVENT_BYTES = 1024 * 1024;
/** For type, version, checksum and append in EventStoreDB's record. */
const BESIDE_BYTES = 1024;

/** The end of a sentence that begins with the event; undefined when it is small enough. */
export function sizeProblem({ type, data, metadata }: ProposedEvent): string | undefined {
  const beside = BESIDE_BYTES + 2 * type.length;
  // Nearly always that settles it, without making JSON once more.
  if (beside + mostBytes(data) + mostBytes(metadata) <= LARGEST_EVENT_BYTES) return undefined;
  // What is too deep the store refuses, and says so.
  if (isTooDeep(data) || isTooDeep(metadata)) return undefined;
  const bytes = beside + bytesOf(data) + bytesOf(metadata);
  if (bytes <= LARGEST_EVENT_BYTES) return undefined;
  const [part, partBytes] = largestPart(data, metadata);
  return `takes ${bytes} bytes as JSON, of which ${partBytes} are in ${part}; an event takes at most ${LARGEST_EVENT_BYTES}: store what is large elsewhere and refer to it`;
}

/** At least the bytes of its JSON: a UTF-16 unit takes at most 6, and so many are enough for any number. */
export function mostBytes(value: unknown, levels = MOST_LEVELS): number {
  if (typeof value === 'string') return 6 * value.length + 2;
  if (levels === 0) return Number.POSITIVE_INFINITY;
  if (Array.isArray(value))
    return value.reduce((bytes: number, item) => bytes + 1 + mostBytes(item, levels - 1), 2);
  if (!isJsonObject(value)) return 25;
  let bytes = 2;
  for (const name in value) bytes += 6 * name.length + 4 + mostBytes(value[name], levels - 1);
  return bytes;
}

/** About as many characters as its JSON has, for limits of what is kept in memory. */
export function roughSizeOf({ data }: Pick<ProposedEvent, 'data'>): number {
  return BESIDE_CHARACTERS + charactersOf(data);
}

/** For what every event has. */
const BESIDE_CHARACTERS = 300;

function charactersOf(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + 1 + charactersOf(item), 2);
  if (!isJsonObject(value)) return 5;
  let sum = 2;
  for (const name in value) sum += name.length + 4 + charactersOf(value[name]);
  return sum;
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '', 'utf8');
}

function largestPart(data: ProposedEvent['data'], metadata: unknown): readonly [part: string, bytes: number] {
  let largest: readonly [string, number] = ['its metadata', bytesOf(metadata)];
  for (const [name, value] of Object.entries(data)) {
    const bytes = bytesOf(value);
    if (bytes > largest[1]) largest = [`the field ${name}`, bytes];
  }
  return largest;
}
