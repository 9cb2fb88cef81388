/** Datasets and their files as people see them: the columns of the tables, and everything about one of them. */

import { idColumns, some } from '../../../cli/entity-view.js';
import { formatAge, formatSize, formatTime } from '../../../cli/format.js';
import { remarksColumn } from '../../../cli/remarks-column.js';
import { type Column, renderPairs, type TableLayout } from '../../../cli/table.js';
import type { Dataset, DatasetFile } from '../wire/dataset-messages.js';
import { paintStatus } from './view-parts.js';

/** In the order of their lives. */
export const DATASET_STATES = ['registered', 'open', 'sealed', 'closed', 'cancelling', 'aborted'] as const;
export const FILE_STATES = [
  ...['registering', 'declared', 'available', 'missing', 'corrupt', 'failed', 'discarded'],
] as const;

/** @param nowMs what ages count from; @param width of the table */
export function datasetColumns(
  nowMs: number,
  datasets: readonly Dataset[],
  width: number,
): Column<Dataset>[] {
  return [
    ...idColumns('DATASET', datasets, ({ dataset_id, uid }: Dataset) => ({ number: dataset_id, uid })),
    { title: 'NAME', rank: 1, least: 24, value: ({ name = '' }) => name },
    {
      ...{ title: 'STATUS', rank: 0, value: ({ status = '' }) => status },
      paint: (text, { status }) => paintStatus(text, status),
    },
    { title: 'FILES', rank: 0, align: 'right', value: ({ files = 0 }) => String(files) },
    { title: 'THERE', rank: 2, align: 'right', value: ({ files_available = 0 }) => String(files_available) },
    { title: 'FAILED', rank: 2, align: 'right', value: ({ files_failed }) => some(files_failed) },
    { title: 'SIZE', rank: 2, align: 'right', value: ({ bytes }) => formatSize(bytes) },
    { title: 'AGE', rank: 3, align: 'right', value: ({ create_time }) => formatAge(create_time, nowMs) },
    remarksColumn(width, 4, 16),
  ];
}

export function datasetCard(dataset: Dataset, { width }: TableLayout): string {
  const { files = 0, files_available = 0, files_failed = 0, expected_files, complete } = dataset;
  const counts = [
    `${files}${expected_files === undefined ? '' : ` of ${expected_files} expected`}`,
    `${files_available} there`,
    files_failed === 0 ? '' : `${files_failed} failed`,
  ];
  return renderPairs(
    [
      ['dataset', some(dataset.dataset_id, true)],
      ['uid', dataset.uid ?? ''],
      ['name', dataset.name ?? ''],
      [
        'status',
        `${dataset.status ?? ''}${complete === undefined ? '' : complete ? ', complete' : ', not complete'}`,
      ],
      ['remarks', dataset.remarks ?? ''],
      ['files', counts.filter((part) => part !== '').join(', ')],
      ['size', formatSize(dataset.bytes)],
      ['lies in', dataset.storage_url ?? ''],
      ['written by', dataset.producer_task === undefined ? '' : `task ${dataset.producer_task}`],
      ['registered', formatTime(dataset.create_time)],
      ['closed', formatTime(dataset.closed_time)],
    ],
    width,
  );
}

export function fileColumns(width: number): Column<DatasetFile>[] {
  return [
    { title: 'IDX', rank: 0, align: 'right', value: ({ idx = 0 }) => String(idx) },
    { title: 'FILE', rank: 0, least: 16, overflow: 'wrap', value: ({ file_name = '' }) => file_name },
    {
      ...{ title: 'STATUS', rank: 0, value: ({ status = '' }) => status },
      paint: (text, { status }) => paintStatus(text, status),
    },
    { title: 'SIZE', rank: 1, align: 'right', value: ({ size }) => formatSize(size) },
    { title: 'MD5', rank: 2, value: ({ check_sum = '' }) => check_sum },
    remarksColumn(width, 3, 16),
  ];
}
