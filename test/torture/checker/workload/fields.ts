/** What the lives of workload read of an event. */

import { isObject, type StoredEvent } from '../stored-event.js';
import type { Rule } from '../violations.js';

/** Tells what is broken. */
export type Tell = (rule: Rule, what: string) => void;

export function textOf({ data }: StoredEvent, name: string): string | undefined {
  const value = data[name];
  return typeof value === 'string' ? value : undefined;
}

/** Sizes are kept as digits; NaN where there is none. */
export function numberOf({ data }: StoredEvent, name: string): number {
  const value = data[name];
  return value === undefined || value === null ? Number.NaN : Number(value);
}

export function isTrue({ data, nested }: StoredEvent, name: string): boolean {
  return nested?.[name] === true || data[name] === 1;
}

export function listOf({ nested }: StoredEvent, name: string): readonly unknown[] {
  const value = nested?.[name];
  return Array.isArray(value) ? value : [];
}

/** A place of a dataset. */
export interface Place {
  readonly dataset: string;
  readonly idx: number;
}

/** Of the files that a job reads. */
export function placesOf(event: StoredEvent): Place[] {
  return listOf(event, 'inputs').map((input) => {
    const { dataset_uid: dataset, idx } = isObject(input) ? input : {};
    return { dataset: String(dataset), idx: Number(idx) };
  });
}
