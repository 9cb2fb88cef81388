/**
 * Uids that follow from what they name: splitting again after a crash makes the same jobs, datasets and files.
 */

import { uuidOf } from '../../../base/uuid.js';

/** @param of what it writes, `output` or `log` */
export function datasetIdOf(task: string, of: 'output' | 'log'): string {
  return uuidOf(`owl/workload/dataset/1/${task}/${of}`);
}

/** A file by its place. */
export function fileIdOf(dataset: string, idx: number): string {
  return uuidOf(`owl/workload/file/1/${dataset}/${idx}`);
}

/** A job by the files of its task's input that it reads, at that level. */
export function jobIdOf(task: string, level: number, firstIdx: number, count: number): string {
  return uuidOf(`owl/workload/job/1/${task}/${level}/${firstIdx}/${count}`);
}
