/** Jobs as people see them: the columns of the table, and everything about one of them. */

import { idColumns, some, tookText } from '../../../cli/entity-view.js';
import { formatAge, formatDuration, formatSize, formatTime } from '../../../cli/format.js';
import { remarksColumn } from '../../../cli/remarks-column.js';
import { type Column, renderPairs, renderTable, type TableLayout } from '../../../cli/table.js';
import type { Job, JobFile } from '../wire/messages.js';
import { paintStatus } from './view-parts.js';

/** @param nowMs what ages count from; @param width of the table */
export function jobColumns(nowMs: number, jobs: readonly Job[], width: number): Column<Job>[] {
  return [
    ...idColumns('JOB', jobs, ({ job_id, uid }: Job) => ({ number: job_id, uid })),
    { title: 'TASK', rank: 1, align: 'right', value: ({ task_id }) => some(task_id, true) },
    { title: 'EXECUTABLE', rank: 3, least: 10, value: ({ executable = '' }) => executable },
    {
      ...{ title: 'STATUS', rank: 0, value: ({ state = '' }) => state },
      paint: (text, { state }) => paintStatus(text, state),
    },
    { title: 'PILOT', rank: 2, least: 8, value: ({ pilot = '' }) => pilot },
    { title: 'ATTEMPT', rank: 4, align: 'right', value: ({ attempt }) => some(attempt) },
    { title: 'AGE', rank: 3, align: 'right', value: ({ create_time }) => formatAge(create_time, nowMs) },
    {
      title: 'TOOK',
      rank: 4,
      align: 'right',
      value: ({ time_start, time_end }) => tookText(time_start, time_end),
    },
    remarksColumn(width, 1, 32),
  ];
}

export function jobCard(job: Job, files: readonly JobFile[], layout: TableLayout): string {
  const card = renderPairs(
    [
      ['job', some(job.job_id, true)],
      ['uid', job.uid ?? ''],
      ['task', job.task_id === undefined ? '' : `${job.task_id}, ${job.task ?? ''}`],
      ['place', `${job.seq ?? 0}${job.level === undefined || job.level < 2 ? '' : ` of level ${job.level}`}`],
      ['status', job.state ?? ''],
      ['remarks', job.remarks ?? ''],
      ['runs', [job.executable, job.args].filter(Boolean).join(' ')],
      ['mode', job.mode ?? ''],
      ['device', job.device_type ?? ''],
      ['rank', some(job.rank, true)],
      ['pilot', job.pilot ?? ''],
      ['attempts', attemptsLine(job)],
      ['failure', failureLine(job)],
      ['took', [tookText(job.time_start, job.time_end), usedLine(job)].filter(Boolean).join(', ')],
      ['submitted', formatTime(job.create_time)],
      ['queued', formatTime(job.queued_time)],
      ['claimed', formatTime(job.claimed_time)],
      ['started', formatTime(job.time_start)],
      ['ended', formatTime(job.time_end)],
    ],
    layout.width,
  );
  return files.length === 0 ? card : `${card}\n${renderTable(JOB_FILE_COLUMNS, files, layout)}`;
}

/** `2, of which 1 was lost with its pilot; 3 more after failures of its own`. */
export function attemptsLine({ attempt = 0, losses = 0, retries = 0, cur_retry = 0 }: Job): string {
  if (attempt === 0) return '';
  const lost = losses === 0 ? '' : `, ${losses} of them lost with the machine`;
  const left = Math.max(0, retries - cur_retry);
  return `${attempt}${lost}; ${left === 0 ? 'no more' : `${left} more`} if it fails by itself`;
}

export function failureLine({ failure_class = '', exit_code: code, exit_signal: signal = '' }: Job): string {
  if (failure_class === '') return '';
  const how = [code === undefined ? '' : `exit code ${code}`, signal]
    .filter((part) => part !== '')
    .join(', ');
  return how === '' ? failure_class : `${failure_class} (${how})`;
}

function usedLine({ cpu_seconds, max_rss }: Job): string {
  const cpu = cpu_seconds === undefined ? '' : `${formatDuration(cpu_seconds)} of CPU`;
  const memory = max_rss === undefined ? '' : `${formatSize(max_rss)} at most`;
  return [cpu, memory].filter((part) => part !== '').join(', ');
}

const JOB_FILE_COLUMNS: readonly Column<JobFile>[] = [
  { title: 'TYPE', rank: 0, value: ({ type = '' }) => type },
  { title: 'FILE', rank: 0, least: 16, overflow: 'wrap', value: ({ file_name = '' }) => file_name },
  {
    ...{ title: 'STATUS', rank: 0, value: ({ status = '' }) => status },
    paint: (text, { status }) => paintStatus(text, status),
  },
  { title: 'SIZE', rank: 1, align: 'right', value: ({ size }) => formatSize(size) },
  { title: 'MD5', rank: 2, value: ({ check_sum = '' }) => check_sum },
];
