/** Series as people see them: the columns of the table, and everything about one of them. */

import { idColumns, some, tookText } from '../../../cli/entity-view.js';
import { formatAge, formatTime } from '../../../cli/format.js';
import { remarksColumn } from '../../../cli/remarks-column.js';
import { type Column, renderPairs, renderTable, type TableLayout } from '../../../cli/table.js';
import type { Series, SeriesDataset, TaskTemplate } from '../wire/series-messages.js';
import { paintStatus } from './view-parts.js';

/** In the order of their lives. */
export const SERIES_STATES = ['created', 'running', 'failed', 'cancelling', 'finished', 'cancelled'] as const;

/** @param nowMs what ages count from; @param width of the table */
export function seriesColumns(nowMs: number, series: readonly Series[], width: number): Column<Series>[] {
  return [
    ...idColumns('SERIES', series, ({ series_id, uid }: Series) => ({ number: series_id, uid })),
    { title: 'NAME', rank: 2, least: 10, value: ({ name = '' }) => name },
    {
      ...{ title: 'STATUS', rank: 0, value: ({ state = '' }) => state },
      paint: (text, { state }) => paintStatus(text, state),
    },
    {
      ...{ title: 'DONE', rank: 0, align: 'right' },
      value: ({ datasets_finished = 0, datasets_total = 0 }) => `${datasets_finished}/${datasets_total}`,
    },
    { title: 'RUN', rank: 2, align: 'right', value: ({ datasets_under_way }) => some(datasets_under_way) },
    {
      title: 'OVER',
      rank: 3,
      align: 'right',
      value: ({ datasets_passed_over }) => some(datasets_passed_over),
    },
    { title: 'STEPS', rank: 4, align: 'right', value: ({ steps_total }) => some(steps_total) },
    { title: 'AGE', rank: 3, align: 'right', value: ({ create_time }) => formatAge(create_time, nowMs) },
    remarksColumn(width, 1, 32),
  ];
}

export function seriesCard(series: Series, layout: TableLayout): string {
  const { datasets = [], steps = [], datasets_passed_over: over = 0 } = series;
  const pairs = renderPairs(
    [
      ['series', some(series.series_id, true)],
      ['uid', series.uid ?? ''],
      ['name', series.name ?? ''],
      ['status', series.state ?? ''],
      ['remarks', series.remarks ?? ''],
      [
        'datasets',
        `${series.datasets_finished ?? 0} of ${series.datasets_total ?? 0} finished${over === 0 ? '' : `, ${over} passed over`}`,
      ],
      ['at once', some(series.concurrency)],
      ...steps.map((step, i): [string, string] => [`step ${i + 1}`, stepLine(step)]),
      ['submitted', formatTime(series.create_time)],
      ['ended', formatTime(series.end_time)],
      ['took', tookText(series.create_time, series.end_time)],
    ],
    layout.width,
  );
  return `${pairs}\n${renderTable(DATASET_COLUMNS, datasets, layout)}`;
}

const DATASET_COLUMNS: readonly Column<SeriesDataset>[] = [
  { title: '#', rank: 0, align: 'right', value: ({ index = 0 }) => String(index + 1) },
  { title: 'DATASET', rank: 1, least: 12, value: ({ name, dataset_uid = '' }) => name || dataset_uid },
  {
    ...{ title: 'STATUS', rank: 0, value: ({ state = '' }) => state.replace('_', ' ') },
    paint: (text, { state }) => paintStatus(text, state),
  },
  { title: 'TASKS', rank: 2, value: ({ task_ids = [] }) => task_ids.join(' ') },
  { title: 'REMARKS', rank: 3, least: 16, overflow: 'wrap', value: ({ remarks = '' }) => remarks },
];

function stepLine({
  executable = '',
  args,
  mode = '',
  device_type = '',
  data_out_url = '',
}: TaskTemplate): string {
  return `${[executable, args].filter(Boolean).join(' ')}, ${mode}, ${device_type}, to ${data_out_url}`;
}
