/**
 * What goes over a keeper's socket, and how it is read. Calls: `start` (a `ProcessStart`, flat; its answer is a `StartAnswer`)
 * and `list` (an array of keys, each with the fields of its process and `end` while that is unwritten beside it). Told
 * by itself: `ended` (a key) once an end is written, `unwritten` while one can't be.
 *
 * Owner and keeper may be of neighbouring versions, for a keeper outlives an upgrade. So names and forms stay, additions
 * are fields that the other side may ignore, and what can't be read counts as not told.
 */

import type { ProcessKind } from '../records/process-kind.js';
import { isProcessEnd, type ProcessEnd } from '../records/process-record.js';

/** One process of a keeper. */
export interface KeptProcess<Key> {
  readonly key: Key;
  /** Missing while it runs. */
  readonly end?: ProcessEnd;
}

/** How a start came out. Whatever may pass by itself is an error of the call instead. */
export interface StartAnswer {
  /** Why this process can never be started here; missing when it was. */
  readonly impossible?: string;
}

/** The log is there already: this process was begun before. */
export const LOG_EXISTS = 'the log exists already';

type Named<Key extends object> = Pick<ProcessKind<Key, Key>, 'keyIn' | 'noun'>;

/** In an answer to `list`. */
export function listed<Key>({ key, end }: KeptProcess<Key>): Key | (Key & { readonly end: ProcessEnd }) {
  return end === undefined ? key : { ...key, end };
}

/** Of an answer to `list`. An end that is none counts as not told. */
export function keptIn<Key extends object>({ keyIn }: Named<Key>, answer: unknown): KeptProcess<Key>[] {
  if (!Array.isArray(answer)) return [];
  return answer.flatMap((entry: unknown) => {
    const key = isObject(entry) ? keyIn(entry) : undefined;
    if (key === undefined) return [];
    const end: unknown = isObject(entry) && 'end' in entry ? entry.end : undefined;
    return { key, ...(isProcessEnd(end) ? { end } : {}) };
  });
}

/** What owners are told while an end can't be written. No key by its form, because it is not recorded. */
export function unwrittenMessage<Key extends object>(
  { noun }: Named<Key>,
  key: Key,
  end: ProcessEnd,
): object {
  return { [noun]: key, end };
}

export function unwrittenIn<Key extends object>(
  { keyIn, noun }: Named<Key>,
  told: unknown,
): Required<KeptProcess<Key>> | undefined {
  if (!isObject(told) || !('end' in told) || !isProcessEnd(told.end)) return undefined;
  const process: unknown = Reflect.get(told, noun);
  const key = isObject(process) ? keyIn(process) : undefined;
  return key === undefined ? undefined : { key, end: told.end };
}

/** See `StartAnswer`. */
export function impossibleIn(answer: unknown): string | undefined {
  return isObject(answer) && 'impossible' in answer ? String(answer.impossible) : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
