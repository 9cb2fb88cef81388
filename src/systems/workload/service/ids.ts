/**
 * Uids that follow from what they name: splitting again after a crash makes the same jobs, datasets and files.
 */

import { uuidOf } from '../../../base/uuid.js';

/** What the jobs of a task write: results, logs, and what is read again by the next level of a merge. */
export const PRODUCTS = ['output', 'log', 'levels'] as const;
export type Product = (typeof PRODUCTS)[number];

export function datasetIdOf(task: string, of: Product): string {
  return uuidOf(`owl/workload/dataset/1/${task}/${of}`);
}

/** A task of a series, by the place of its dataset and of its step. */
export function seriesTaskIdOf(series: string, index: number, step: number): string {
  return uuidOf(`owl/workload/series-task/1/${series}/${index}/${step}`);
}

/** A file by its place. */
export function fileIdOf(dataset: string, idx: number): string {
  return uuidOf(`owl/workload/file/1/${dataset}/${idx}`);
}

/** A job by the files of its task's input that it reads, at that level. */
export function jobIdOf(task: string, level: number, firstIdx: number, count: number): string {
  return uuidOf(`owl/workload/job/1/${task}/${level}/${firstIdx}/${count}`);
}
