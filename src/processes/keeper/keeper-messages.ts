/**
 * What goes over a keeper's socket, and how it is read. Calls: `start` (a `ProcessStart`, flat; its answer is a `StartAnswer`),
 * `list` (keys, each with `end` beside it while that is not written), `renew` (a key, `deadline_ms`, and `kill_at_ms` where that is moved) and `hello`. Told by
 * itself: `ended` (a key) once an end is written, `unwritten` while one can't be.
 *
 * Owner and keeper may be of neighbouring versions, for a keeper outlives an upgrade. So names and forms stay, and what can't
 * be read counts as not told. What a keeper of an earlier version would overlook is listed as a feature; `hello` says which
 * there are, a keeper that knows no `hello` has none, and an owner asks for nothing that its keeper has not.
 */

import { fits, isTime, orMissing } from '../records/checks.js';
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

export interface HelloAnswer {
  readonly features: readonly string[];
}

/** Beside a key. What is left out stays as it is. */
export interface Renewal {
  readonly deadline_ms: number;
  readonly kill_at_ms?: number;
}

/** The log is there already: this process was begun before. */
export const LOG_EXISTS = 'the log exists already';

type Named<Key extends object> = Pick<ProcessKind<Key, Key>, 'keyIn' | 'noun'>;

/** In an answer to `list`. */
export function listed<Key extends object>(child: {
  readonly options: { readonly key: Key };
  readonly end: ProcessEnd | undefined;
}): object {
  return child.end === undefined ? child.options.key : { ...child.options.key, end: child.end };
}

export function isRenewal(params: unknown): params is Renewal {
  return fits<Renewal>(params, { deadline_ms: isTime, kill_at_ms: orMissing(isTime) });
}

/** Of an answer to `hello`. */
export function featuresIn(answer: unknown): ReadonlySet<unknown> {
  const features: unknown = isObject(answer) && 'features' in answer ? answer.features : [];
  return new Set(Array.isArray(features) ? features : []);
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
