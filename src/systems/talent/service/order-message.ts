/**
 * What an overlord asks for, checked field by field.
 * Guarantee: what comes out can be run: ids, absolute paths, numbers in range, keys that a plotter takes; `cache2` is `cache1` where none was given.
 */

import type { PlotTaskOrder } from '../../../../machines/talent/plot-task-events.js';
import * as rules from '../../../base/field-rules.js';
import type { PlotTaskCreateRequest } from '../wire/messages.js';
import * as plotRules from './plot-rules.js';

/** The default of the requirement's `dest_type`. */
const DEFAULT_DEST_TYPE = 'nfs';

/**
 * @param workerId the node's own, for a request that names no worker
 * @param now Unix seconds
 * @throws InvalidFieldError naming field and rule
 */
export function readOrder(request: PlotTaskCreateRequest, workerId: string, now: number): PlotTaskOrder {
  const { plot_config: config = {} } = request;
  const field = (name: string) => `plot_config.${name}`;
  const cache1 = rules.given(field('cache1'), config.cache1, rules.isAbsolutePath);
  const fpk = rules.optional(field('fpk'), config.fpk, plotRules.isFarmerKey);
  const ppk = rules.optional(field('ppk'), config.ppk, plotRules.isPoolKey);
  return {
    task_id: rules.given('task_id', request.task_id, rules.isId),
    worker_id: rules.optional('worker_id', request.worker_id, rules.isId) ?? workerId,
    ...(fpk === undefined ? {} : { fpk }),
    ...(ppk === undefined ? {} : { ppk }),
    ksize: rules.givenNumber(field('ksize'), config.ksize, plotRules.isKsize),
    threads: rules.givenNumber(field('threads'), config.threads, plotRules.isThreads),
    buffer: rules.givenNumber(field('buffer'), config.buffer, plotRules.isBuffer),
    cache1,
    cache2: rules.optional(field('cache2'), config.cache2, rules.isAbsolutePath) ?? cache1,
    dest_type:
      rules.optional(field('dest.type'), config.dest?.type, plotRules.isDestType) ?? DEFAULT_DEST_TYPE,
    dest_path: rules.given(field('dest.path'), config.dest?.path, rules.isAbsolutePath),
    received_time: now,
  };
}
