/** How far a series is and why it waits, in one sentence with figures; asked of the read model when somebody looks, and stored nowhere. */

import type { SqlRow } from '../../../../base/sql.js';
import { seriesTaskIdOf } from '../ids.js';
import { remarksOf } from '../tasks/remarks.js';
import type { WorkloadContext } from '../workload-context.js';

type Context = Pick<WorkloadContext, 'db' | 'config'>;

const MOST_NAMED = 3;

/** @param row of wl_series */
export function seriesRemarks(context: Context, row: SqlRow): string {
  const said = row['remarks'] === null ? '' : String(row['remarks']);
  switch (row['state']) {
    case 'finished':
    case 'cancelled':
      return `${progress(row)}${said === '' ? '' : ` (${said})`}`;
    case 'failed':
      return `${said}; retry that task, accept it as it is (finish) or cancel it, and the series goes on; ${progress(row)}`;
    case 'cancelling':
      return `is cancelled${said === '' ? '' : ` (${said})`}; ${underWay(context, row, true)}`;
    default:
      return `${progress(row)}; ${underWay(context, row, false)}`;
  }
}

function progress(row: SqlRow): string {
  const passed = Number(row['passed_over']);
  const over = passed === 0 ? '' : `, ${passed} passed over`;
  return `${Number(row['finished'])} of ${Number(row['datasets'])} datasets are done${over}`;
}

/** What is done of those under way, and what the first of them waits for. */
function underWay(context: Context, row: SqlRow, isCancelled: boolean): string {
  const members = context.db
    .prepare(
      `SELECT idx, name FROM wl_series_datasets LEFT JOIN dsm_datasets AS dataset ON dataset.uid = dataset_uid
       WHERE series_id = ? AND wl_series_datasets.state = 'under_way' ORDER BY idx LIMIT ${MOST_NAMED + 1}`,
    )
    .all(row['series_id'] ?? null);
  if (members.length === 0) return isCancelled ? 'nothing of it runs' : 'the next one is about to begin';
  const told = members.slice(0, MOST_NAMED).map((member, i) => one(context, row, member, i === 0));
  return `${told.join('; ')}${members.length > MOST_NAMED ? '; others are under way too' : ''}`;
}

function one(context: Context, row: SqlRow, { idx, name }: SqlRow, isWhole: boolean): string {
  const steps: readonly unknown[] = JSON.parse(String(row['steps']));
  const of = `dataset ${Number(idx) + 1} of ${Number(row['datasets'])} (${String(name)})`;
  for (const step of steps.keys()) {
    const task = context.db
      .prepare('SELECT * FROM task_dat WHERE uid = ?')
      .get(seriesTaskIdOf(String(row['uid']), Number(idx), step));
    if (task === undefined) return `${of}: its tasks are being registered`;
    if (task['state'] === 'finished') continue;
    const why = isWhole ? (remarksOf(context, task) ?? task['remarks']) : null;
    const state = `${of}: task ${String(task['task_id'])}, step ${step + 1} of ${steps.length}, is ${String(task['state'])}`;
    return why === null || why === undefined ? state : `${state}: ${String(why)}`;
  }
  return `${of}: all its steps are done`;
}
