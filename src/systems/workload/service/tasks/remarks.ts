/**
 * Why a task waits, in one sentence with figures; asked of the read model when somebody looks, and stored nowhere.
 *
 * Guarantee: a task costs a few rows, whatever it has before it (outlook.ts); what many tasks rest on is read once for an answer.
 */

import type { SqlRow } from '../../../../base/sql.js';
import type { SwitchName } from '../../switch-names.js';
import { goneSince } from '../jobs/why.js';
import { type Off, offIn } from '../switches/off.js';
import type { WorkloadContext } from '../workload-context.js';
import { outlookOf } from './outlook.js';
import { chunkSize, waitingOf } from './splitter.js';
import { tooMany } from './task-commands.js';
import { splittableOf } from './task-rows.js';

type Given = Pick<WorkloadContext, 'db' | 'config'>;

/** What is the same for all tasks of an answer. */
interface Context extends Given {
  readonly datasetOf: (uid: string) => SqlRow | undefined;
  readonly off: (name: SwitchName) => Off | undefined;
  readonly waitingOf: (device: string) => number;
  readonly unofferedTo: (device: string, executable: string) => string;
}

const MOST_NAMED = 3;

/** Undefined for one that waits for nothing: its row says how it ended. */
export function remarksOf(given: Given, row: SqlRow): string | undefined {
  return remarksFor(given)(row);
}

/** Of several that are shown in one turn of the event loop. */
export function remarksFor({ db, config }: Given): (row: SqlRow) => string | undefined {
  const dataset = db.prepare('SELECT * FROM dsm_datasets WHERE uid = ?');
  const context = {
    ...{ db, config },
    datasetOf: once((uid: string) => dataset.get(uid)),
    off: once((name: SwitchName) => offIn(db, name)),
    waitingOf: once((device: string) => waitingOf({ db }, device)),
    unofferedTo: once((device: string, executable: string) => unofferedTo(db, device, executable)),
  };
  return (row) => remarks(context, row);
}

/** Its answers are kept. */
function once<Key extends readonly string[], Found>(read: (...key: Key) => Found): (...key: Key) => Found {
  const known = new Map<string, { readonly found: Found }>();
  return (...key) => {
    const name = JSON.stringify(key);
    const kept = known.get(name) ?? { found: read(...key) };
    known.set(name, kept);
    return kept.found;
  };
}

function remarks(context: Context, row: SqlRow): string | undefined {
  const state = String(row['state']);
  const why = said(row);
  if (state === 'failed' || state === 'finished' || state === 'cancelled') return undefined;
  if (state === 'finishing') return `finishes as it is${why}; ${underWay(context, row)}`;
  if (state === 'cancelling')
    return `is cancelled${why}; ${underWay(context, row)}${unreachable(context, row)}`;
  const waits = `${state === 'running' ? underWay(context, row) : splitting(context, row)}${switchedOff(context, row, 'executor')}${unoffered(context, row)}`;
  return row['held'] === 1 ? `held since ${instantOf(row)}${why}; ${waits}` : waits;
}

/** That what it waits for is switched off. */
function switchedOff(context: Context, row: SqlRow, name: SwitchName): string {
  if (name === 'executor' && Number(row['jobs_waiting']) === 0) return '';
  const off = context.off(name);
  return off === undefined ? '' : `; ${off.sentence}`;
}

/** That there is nobody who could take its jobs. */
function unoffered(context: Context, row: SqlRow): string {
  if (Number(row['jobs_planned']) > 0 && Number(row['jobs_waiting']) === 0) return '';
  return context.unofferedTo(String(row['device_type']), String(row['executable']));
}

function unofferedTo(db: Context['db'], device: string, executable: string): string {
  const { offering, there } = db
    .prepare(
      `SELECT count(*) AS offering, coalesce(sum(status = 'active'), 0) AS there FROM pilot_dat
       WHERE device_type = ? AND EXISTS (SELECT 1 FROM json_each(executables) AS one WHERE one.value = ?)`,
    )
    .get(device, executable) ?? { offering: 0, there: 0 };
  if (Number(there) > 0) return '';
  const who = `no ${device} pilot`;
  return `; ${who} ${Number(offering) > 0 ? 'that is there offers' : 'has offered'} \`${executable}\`${Number(offering) > 0 ? '' : ' yet'}`;
}

function said(row: SqlRow): string {
  return row['remarks'] === null ? '' : ` (${String(row['remarks'])})`;
}

function instantOf(row: SqlRow): string {
  return new Date(Number(row['held_time']) * 1000).toISOString();
}

function splitting(context: Context, row: SqlRow): string {
  const { db, config } = context;
  const [failed, accepted] = [Number(row['jobs_failed']), Number(row['max_failed_jobs'])];
  if (failed > accepted) return `fails (${tooMany(failed, accepted)}); ${underWay(context, row)}`;
  const most = chunkSize(config.split_window);
  const step = outlookOf(db, splittableOf(row), context.datasetOf(String(row['data_in_uid'])));
  const off = switchedOff(context, row, 'splitter');
  if (step.kind === 'wait')
    return Number(row['jobs_planned']) === 0 ? `${step.why}${off}` : and(context, row, `${step.why}${off}`);
  if (step.kind === 'fail') return `fails (${step.reason}); ${underWay(context, row)}`;
  if (off !== '') return and(context, row, `is not split${off}`);
  const device = String(row['device_type']);
  const waiting = context.waitingOf(device);
  if (step.kind === 'ready' && config.split_window - waiting < most)
    return `waits for room: ${waiting} ${device} jobs wait already, and workload.split_window is ${config.split_window}`;
  return and(context, row, 'is being split');
}

function and(context: Context, row: SqlRow, first: string): string {
  return Number(row['jobs_waiting']) + Number(row['jobs_running']) === 0
    ? first
    : `${first}; ${underWay(context, row)}`;
}

function underWay({ db }: Context, row: SqlRow): string {
  const count = (name: string) => Number(row[name]);
  const [planned, waiting, running] = [count('jobs_planned'), count('jobs_waiting'), count('jobs_running')];
  const made = planned - count('jobs_total');
  const again = count('round') === 0 ? 0 : toBeRetried(db, row);
  const parts = [
    ...(made > 0 ? [`${made} to be made`] : []),
    ...(again > 0 ? [`${again} to be done again`] : []),
    ...(waiting > 0 ? [`${waiting} to be run`] : []),
    ...(running > 0 ? [`${running} under way${onPilots(db, row)}`] : []),
  ];
  if (parts.length === 0) return 'all its jobs have ended';
  return `waits for ${made + again + waiting + running} of ${planned} jobs: ${parts.join(', ')}`;
}

/** Those that have failed, and have not been told yet that they are done again. */
function toBeRetried(db: Context['db'], row: SqlRow): number {
  const due = db.prepare('SELECT count(*) AS jobs FROM job_dat WHERE task_id = ? AND retry_due = 1');
  return Number(due.get(row['task_id'] ?? null)?.['jobs'] ?? 0);
}

/** Pilots that can't be told to end what they run: their keepers do, and then it is known to have ended. */
function unreachable({ db }: Context, row: SqlRow): string {
  const pilots = db
    .prepare(
      `SELECT DISTINCT name, status, lost_time, last_report_time FROM job_dat INDEXED BY job_dat_under_way JOIN pilot_dat ON name = pilot
       WHERE task_id = ? AND state IN ('staging', 'running', 'cancelling') AND state = 'cancelling' AND lease <> 'attached' ORDER BY name LIMIT ${MOST_NAMED + 1}`,
    )
    .all(row['task_id'] ?? null);
  if (pilots.length === 0) return '';
  const named = pilots
    .slice(0, MOST_NAMED)
    .map((pilot) => `pilot ${String(pilot['name'])}, ${goneSince(pilot)}`);
  return `; waits for ${named.join(', and ')}${pilots.length > MOST_NAMED ? ', and others' : ''}`;
}

function onPilots(db: Context['db'], row: SqlRow): string {
  const pilots = db
    .prepare(
      `SELECT DISTINCT pilot FROM job_dat INDEXED BY job_dat_under_way
       WHERE task_id = ? AND state IN ('staging', 'running', 'cancelling') AND pilot IS NOT NULL
       LIMIT ${MOST_NAMED + 1}`,
    )
    .all(row['task_id'] ?? null)
    .map(({ pilot }) => String(pilot));
  if (pilots.length === 0) return '';
  const named = pilots.slice(0, MOST_NAMED).join(', ');
  return ` on ${named}${pilots.length > MOST_NAMED ? ' and others' : ''}`;
}
