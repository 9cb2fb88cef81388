/** The datasets that a task writes, as decisions on them. Each is judged by what the dataset holds already. */

import type { DatasetEvent, DatasetSnapshot } from '../../../../../machines/workload/dataset.js';
import { OwlError } from '../../../../base/errors.js';
import type { Product } from '../ids.js';

export function registerWritten(
  snapshot: DatasetSnapshot,
  of: { readonly task: string; readonly product: Product; readonly storageUrl: string },
): DatasetEvent[] {
  if (snapshot.value !== 'absent') return [];
  const { task, product, storageUrl } = of;
  return [
    {
      type: 'DatasetRegistered',
      data: {
        name: `task ${task} ${product}`,
        storage_url: storageUrl,
        producer_task: task,
        produces: product,
      },
    },
  ];
}

/** @throws OwlError kind `retryable` when a place before them is not taken yet */
export function declareFiles(
  { value, context }: DatasetSnapshot,
  uid: string,
  firstIdx: number,
  files: readonly { readonly name: string; readonly path: string }[],
): DatasetEvent[] {
  if (context.files >= firstIdx + files.length || value === 'aborted') return [];
  if (context.files !== firstIdx)
    throw new OwlError(
      'retryable',
      `dataset ${uid} has ${context.files} files; number ${firstIdx} is not next`,
    );
  return [{ type: 'DatasetFilesAdded', data: { first_idx: firstIdx, declared: true, files } }];
}

/** No job of the task can declare another file. */
export function sealWritten({ value, context }: DatasetSnapshot): DatasetEvent[] {
  return value === 'registered' || value === 'open'
    ? [{ type: 'DatasetSealed', data: { files: context.files, reason: 'its task is split' } }]
    : [];
}

/** Nobody is to read what was written so far. What is closed stays so. */
export function abortWritten(reason: string): (snapshot: DatasetSnapshot) => DatasetEvent[] {
  return ({ value }) =>
    value === 'absent' || value === 'closed' || value === 'aborted'
      ? []
      : [{ type: 'DatasetAborted', data: { reason } }];
}
