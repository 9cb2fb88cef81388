/** How rows of series and of their datasets are told. */

import type { z } from 'zod';
import type { SqlRow } from '../../../../base/sql.js';
import { seriesTaskIdOf } from '../ids.js';
import type { WorkloadContext } from '../workload-context.js';
import { seriesMessage } from './series-operations.js';
import { seriesRemarks } from './series-remarks.js';

/** @param isWhole with its datasets and steps */
export function showSeries(
  context: Pick<WorkloadContext, 'db' | 'config'>,
  row: SqlRow,
  isWhole: boolean,
): z.input<typeof seriesMessage> {
  const number = (name: string) => Number(row[name]);
  const steps: readonly object[] = JSON.parse(String(row['steps']));
  return seriesMessage.parse({
    ...{ series_id: number('series_id'), uid: String(row['uid']), name: String(row['name']) },
    ...{
      state: String(row['state']),
      concurrency: number('concurrency'),
      datasets_total: number('datasets'),
    },
    datasets_under_way: number('begun') - number('finished') - number('passed_over'),
    ...{ datasets_finished: number('finished'), datasets_passed_over: number('passed_over') },
    ...{ steps_total: steps.length, create_time: number('create_time'), update_time: number('update_time') },
    ...(row['end_time'] === null ? {} : { end_time: number('end_time') }),
    ...{ remarks: seriesRemarks(context, row), revision: number('revision') },
    ...(isWhole ? { datasets: datasetsOf(context, row, steps.length), steps } : {}),
  });
}

function datasetsOf({ db }: Pick<WorkloadContext, 'db'>, row: SqlRow, steps: number) {
  const numberOf = db.prepare('SELECT task_id FROM task_dat WHERE uid = ?');
  return db
    .prepare(
      `SELECT idx, dataset_uid, name, member.state, member.remarks FROM wl_series_datasets AS member
       LEFT JOIN dsm_datasets AS dataset ON dataset.uid = dataset_uid WHERE series_id = ? ORDER BY idx`,
    )
    .all(row['series_id'] ?? null)
    .map(({ idx, dataset_uid, name, state, remarks }) => ({
      ...{ index: Number(idx), dataset_uid: String(dataset_uid), state: String(state) },
      ...(name === null ? {} : { name: String(name) }),
      ...(remarks === null ? {} : { remarks: String(remarks) }),
      // What has not begun has none.
      task_ids:
        state === 'waiting'
          ? []
          : Array.from({ length: steps }, (_, step) =>
              numberOf.get(seriesTaskIdOf(String(row['uid']), Number(idx), step)),
            ).flatMap((task) => (task === undefined ? [] : [Number(task['task_id'])])),
    }));
}
