/** Tasks as people see them: the columns of the table, and everything about one of them. */

import { idColumns, some, tookText } from '../../../cli/entity-view.js';
import { formatAge, formatDuration, formatTime, toJson } from '../../../cli/format.js';
import { remarksColumn } from '../../../cli/remarks-column.js';
import { type Column, renderPairs, type TableLayout } from '../../../cli/table.js';
import type { WatchWords } from '../../../cli/watch-view.js';
import type { Task } from '../wire/messages.js';
import { OVER, paintStatus } from './view-parts.js';

/** @param nowMs what ages count from; @param width of the table */
export function taskColumns(nowMs: number, tasks: readonly Task[], width: number): Column<Task>[] {
  return [
    ...idColumns('TASK', tasks, ({ task_id, uid }: Task) => ({ number: task_id, uid })),
    { title: 'NAME', rank: 2, least: 10, value: ({ name, executable }) => name || executable || '' },
    {
      ...{ title: 'STATUS', rank: 0 },
      value: ({ state = '', held }) => (held ? `${state}, held` : state),
      paint: (text, { state }) => paintStatus(text, state),
    },
    { title: 'MODE', rank: 3, value: ({ mode = '' }) => mode },
    { title: 'DEVICE', rank: 5, value: ({ device_type = '' }) => device_type },
    {
      title: 'DONE',
      align: 'right',
      value: ({ jobs_finished = 0, jobs_total = 0 }) => `${jobs_finished}/${jobs_total}`,
    },
    { title: 'RUN', rank: 2, align: 'right', value: ({ jobs_running }) => some(jobs_running) },
    { title: 'WAIT', rank: 2, align: 'right', value: ({ jobs_waiting }) => some(jobs_waiting) },
    { title: 'FAIL', rank: 1, align: 'right', value: ({ jobs_failed }) => some(jobs_failed) },
    { title: 'RANK', rank: 5, align: 'right', value: ({ rank }) => some(rank) },
    { title: 'AGE', rank: 3, align: 'right', value: ({ create_time }) => formatAge(create_time, nowMs) },
    remarksColumn(width, 1, 32),
  ];
}

/** What people look at first: what does something, then what waits, then what is over, the latest first. */
const INTEREST: readonly string[] = [
  ...['running', 'splitting', 'finishing', 'cancelling', 'registered', 'failed', 'cancelled', 'finished'],
];

export function byInterest(a: Task, b: Task): number {
  const ranks = INTEREST.indexOf(a.state ?? '') - INTEREST.indexOf(b.state ?? '');
  if (ranks !== 0) return ranks;
  const isOver = OVER.has(a.state ?? '');
  return isOver ? (b.update_time ?? 0) - (a.update_time ?? 0) : (a.task_id ?? 0) - (b.task_id ?? 0);
}

/** One line about a task that has just changed. @param nowMs since its counts change without an event of its own */
export function taskLine(
  { task_id = 0, name, executable, state = '', held, ...task }: Task,
  nowMs: number,
): string {
  const {
    jobs_finished: done = 0,
    jobs_total: total = 0,
    jobs_failed: failed = 0,
    jobs_running: runs = 0,
  } = task;
  const parts = [
    `task ${task_id}`,
    name || executable,
    held ? `${state}, held` : state,
    `${done} of ${total} job${total === 1 ? '' : 's'}`,
    runs === 0 ? '' : `${runs} running`,
    failed === 0 ? '' : `${failed} failed`,
    task.remarks,
  ];
  return [formatTime(nowMs / 1000), ...parts].filter((part) => part !== undefined && part !== '').join('  ');
}

/** How changes of tasks are told. @param isWatched what is not any more is gone from the table */
export function taskWords(json: boolean, isWatched: (task: Task) => boolean): WatchWords<Task, Task> {
  return {
    rowOf: (task) => task,
    idOf: ({ uid = '' }) => uid,
    isGone: (task) => !isWatched(task),
    goneChange: (uid) => ({ uid }),
    lineOf: json ? toJson : (task) => taskLine(task, Date.now()),
    essenceOf: ({ update_time: _, revision: __, ...task }) => (json ? toJson(task) : taskLine(task, 0)),
    byInterest,
    columnsOf: (tasks, width) => taskColumns(Date.now(), tasks, width),
    nothing: 'no task to watch yet',
  };
}

export function taskCard(task: Task, { width }: TableLayout): string {
  const { jobs_total = 0, jobs_finished = 0, jobs_running = 0, jobs_waiting = 0, jobs_failed = 0 } = task;
  const jobs = [
    `${jobs_finished} of ${jobs_total} finished`,
    ...counted([
      ['running', jobs_running],
      ['waiting', jobs_waiting],
      ['failed', jobs_failed],
      ['cancelled', task.jobs_cancelled ?? 0],
    ]),
  ].join(', ');
  return renderPairs(
    [
      ['task', some(task.task_id, true)],
      ['uid', task.uid ?? ''],
      ['name', task.name ?? ''],
      ['status', task.held ? `${task.state ?? ''}, held` : (task.state ?? '')],
      ['remarks', task.remarks ?? ''],
      ['runs', [task.executable, task.args].filter(Boolean).join(' ')],
      ['mode', modeLine(task)],
      ['device', task.device_type ?? ''],
      ['rank', some(task.rank, true)],
      ['jobs', jobs],
      ['input', task.data_in_uid ?? ''],
      ['from', task.storage_url ?? ''],
      ['output', task.data_out_uid ?? ''],
      ['to', task.data_out_url ?? ''],
      ['logs', task.data_log_uid ?? ''],
      ['retries', some(task.retries, true)],
      ['may fail', some(task.max_failed_jobs)],
      ['time limit', formatDuration(task.timeout_seconds)],
      ['memory', task.memory_mib === undefined ? '' : `${task.memory_mib} MiB a job`],
      ['submitted', formatTime(task.create_time)],
      ['ended', formatTime(task.end_time)],
      ['took', tookText(task.create_time, task.end_time)],
    ],
    width,
  );
}

function modeLine({ mode = '', files_per_job: files, until_one, require_complete }: Task): string {
  return [
    mode,
    files === undefined ? '' : `${files} file${files === 1 ? '' : 's'} a job`,
    until_one ? 'until one is left' : '',
    require_complete === true ? '' : 'failed files are left out',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

function counted(counts: readonly (readonly [name: string, count: number])[]): string[] {
  return counts.flatMap(([name, count]) => (count === 0 ? [] : [`${count} ${name}`]));
}
