/** What a supervisor is asked to make: the order of a task as talent sends it, complete or refused. */

import { createHash } from 'node:crypto';
import { OwlError } from '../../../../base/errors.js';
import type { PlotKey } from '../../machine/plot-record.js';
import type { PlotTaskStatus } from '../../wire/messages.js';

export interface PlotOrder extends PlotKey {
  /** Running number of the task on its farm: earlier orders come first. */
  readonly id: number;
  readonly ksize: number;
  readonly threads: number;
  /** MiB */
  readonly buffer: number;
  readonly fpk: string | undefined;
  readonly ppk: string | undefined;
  /** Absolute, as `dest_path`. */
  readonly cache1: string;
  readonly cache2: string;
  readonly dest_path: string;
}

const DEFAULT_THREADS = 2;
const DEFAULT_BUFFER_MIB = 4000;

/** Undefined when the message names no task. */
export function plotKeyOf({ task_id, attempt }: PlotTaskStatus = {}): PlotKey | undefined {
  return task_id === undefined || attempt === undefined ? undefined : { task_id, attempt };
}

/** @throws OwlError kind `invalid` naming what is missing: no supervisor can ever start it */
export function readOrder(key: PlotKey, { id = 0, plot_details = {} }: PlotTaskStatus): PlotOrder {
  const { ksize, threads, buffer, fpk, ppk, cache1, cache2 = cache1, dest_path } = plot_details;
  const missing = Object.entries({ ksize, cache1, dest_path }).flatMap(([name, value]) =>
    value === undefined ? name : [],
  );
  if (ksize === undefined || cache1 === undefined || cache2 === undefined || dest_path === undefined)
    throw new OwlError('invalid', `the order does not say ${missing.join(' and ')}`);
  return {
    ...key,
    id,
    ksize,
    threads: threads ?? DEFAULT_THREADS,
    buffer: buffer ?? DEFAULT_BUFFER_MIB,
    fpk,
    ppk,
    cache1,
    cache2,
    dest_path,
  };
}

/** A plot id for plotters that do not make their own: 32 bytes in hex, the same whenever it is asked for. */
export function plotIdFor({ task_id, attempt }: PlotKey): string {
  return createHash('sha256').update(`owl/plot-id/1/${task_id}/${attempt}`).digest('hex');
}
