/** Plot tasks as people see them: the columns of the tables, and everything about one of them. */

import type { PlotTaskState } from '../../../../machines/talent/plot-task.js';
import { statusPainter } from '../../../cli/entity-view.js';
import {
  formatAge,
  formatDuration,
  formatPercent,
  formatSize,
  formatTime,
  printable,
} from '../../../cli/format.js';
import { remarksColumn } from '../../../cli/remarks-column.js';
import { type Column, renderPairs, renderTable, type TableLayout } from '../../../cli/table.js';
import type { PhaseStatus, PlotDetails, PlotTaskStatus } from '../wire/messages.js';
import { shortIds } from './task-ids.js';

/** Every status a task can be seen in, in the order of its life. */
export const TASK_STATUSES = [
  'received',
  'pending',
  'started',
  'running',
  'stopping',
  'finished',
  'stopped',
  'failed',
] as const satisfies readonly PlotTaskState[];

/** What people look at first: what has a process, then what waits, then what is over. */
const INTEREST: readonly string[] = [
  'running',
  'started',
  'stopping',
  'pending',
  'received',
  'failed',
  'stopped',
  'finished',
] satisfies readonly PlotTaskState[];
const OVER: ReadonlySet<string> = new Set<PlotTaskState>(['failed', 'stopped', 'finished']);

/** For sorting tasks by interest: equal ones in the order they were created, those that are over the latest change first. */
export function byInterest(a: PlotTaskStatus, b: PlotTaskStatus): number {
  const { status = '' } = a;
  const ranks = INTEREST.indexOf(status) - INTEREST.indexOf(b.status ?? '');
  if (ranks !== 0) return ranks;
  return OVER.has(status) ? (b.update_time ?? 0) - (a.update_time ?? 0) : (a.id ?? 0) - (b.id ?? 0);
}

/** Terminals as wide as this show ids whole. */
const WIDE = 140;

/** For each task what stands for its id in a table of this width. */
export function idsToShow(tasks: readonly PlotTaskStatus[], width: number): ReadonlyMap<string, string> {
  const ids = tasks.flatMap(({ task_id }) => task_id ?? []);
  return width >= WIDE ? new Map(ids.map((id) => [id, id])) : shortIds(ids);
}

export const paintStatus = statusPainter<PlotTaskState>([
  ['cyan', ['started', 'running']],
  ['green', ['finished']],
  ['yellow', ['stopping', 'stopped']],
  ['red', ['failed']],
]);

/** @param nowMs what ages count from; @param shown for each id what stands for it; @param width of the table */
export function taskColumns(
  nowMs: number,
  shown: ReadonlyMap<string, string>,
  width: number,
): Column<PlotTaskStatus>[] {
  return [
    { title: 'TASK', rank: 0, value: ({ task_id = '' }) => shown.get(task_id) ?? task_id },
    {
      title: 'STATUS',
      rank: 0,
      value: ({ status = '', problem = '' }) => (problem === '' ? status : `${status} (damaged)`),
      paint: (text, { status }) => paintStatus(text, status),
    },
    {
      title: 'DONE',
      align: 'right',
      value: ({ plot_details }) => formatPercent(plot_details?.progress ?? 0),
    },
    { title: 'K', rank: 2, align: 'right', value: ({ plot_details }) => text(plot_details?.ksize) },
    { title: 'AGE', align: 'right', value: ({ create_time }) => formatAge(create_time, nowMs) },
    {
      title: 'LEFT',
      rank: 4,
      align: 'right',
      value: ({ seconds_left }) => (seconds_left === 0 ? OVERDUE : formatDuration(seconds_left)),
    },
    { title: 'TOOK', rank: 5, align: 'right', value: (task) => formatDuration(timeTaken(task)) },
    {
      title: 'CACHE',
      rank: 4,
      least: 12,
      overflow: 'cut-start',
      value: ({ plot_details }) => cachesOf(plot_details).join(' '),
    },
    {
      title: 'DESTINATION',
      rank: 4,
      least: 12,
      overflow: 'cut-start',
      value: ({ plot_details }) => plot_details?.dest_path ?? '',
    },
    { title: 'WORKER', rank: 6, least: 10, value: ({ worker_id = '' }) => worker_id },
    remarksColumn(width, 3, 24),
  ];
}

/** One line about a task that has just changed. */
export function changeLine({
  update_time,
  task_id = '',
  status = '',
  plot_details,
  remarks = '',
}: PlotTaskStatus): string {
  const parts = [
    formatTime(update_time),
    task_id,
    status,
    formatPercent(plot_details?.progress ?? 0),
    remarks,
  ];
  return printable(parts.filter((part) => part !== '').join('  '));
}

/** Everything about one task that people ask for. */
export function taskCard(task: PlotTaskStatus, layout: TableLayout): string {
  const details = task.plot_details ?? {};
  const pairs = renderPairs(
    [
      ['task', task.task_id ?? ''],
      ['status', statusLine(task)],
      ['remarks', task.remarks ?? ''],
      ['worker', task.worker_id ?? ''],
      ['progress', progressLine(details, task.seconds_left)],
      ['created', formatTime(task.create_time)],
      ['received', formatTime(task.received_time)],
      ['pending', formatTime(task.pending_time)],
      ['started', formatTime(task.started_time)],
      ['running', formatTime(task.running_time)],
      ['finished', formatTime(task.finished_time)],
      ['last change', formatTime(task.update_time)],
      ['plotter', plotterLine(task)],
      ['size', sizeLine(details)],
      ['cache', cachesOf(details).join(' and ')],
      [
        'destination',
        [details.dest_path, details.dest_type && `(${details.dest_type})`].filter(Boolean).join(' '),
      ],
      ['file', [details.dest_dir, details.dest_file_name].filter(Boolean).join('/')],
      ['wrote', formatSize(details.wrote)],
      ['plot id', details.id ?? ''],
      ['farmer key', details.fpk ?? ''],
      ['pool key', details.ppk ?? ''],
      ['memo', details.memo ?? ''],
    ],
    layout.width,
  );
  const phases = phasesOf(details);
  return phases.length === 0 ? pairs : `${pairs}\n${renderTable(PHASE_COLUMNS, phases, layout)}`;
}

interface NamedPhase extends PhaseStatus {
  readonly name: string;
}

const PHASE_COLUMNS: readonly Column<NamedPhase>[] = [
  { title: 'PHASE', rank: 0, value: ({ name }) => name },
  { title: 'TIME', rank: 0, align: 'right', value: ({ time }) => formatDuration(time) },
  { title: 'CPU', rank: 0, align: 'right', value: ({ cpu_usage }) => formatPercent(cpu_usage) },
  { title: 'STAGE', least: 8, value: ({ stage = '' }) => stage },
];

function phasesOf(details: PlotDetails): NamedPhase[] {
  const phases: [string, PhaseStatus | undefined][] = [
    ['1 forward propagation', details.phase_1_status],
    ['2 back propagation', details.phase_2_status],
    ['3 compression', details.phase_3_status],
    ['4 checkpoints', details.phase_4_status],
    ['copy', details.copy_time],
    ['total', details.total_time],
  ];
  return phases.flatMap(([name, phase]) => (phase === undefined ? [] : [{ ...phase, name }]));
}

function statusLine({ status = '', attempt = 1, exit_code, exit_signal }: PlotTaskStatus): string {
  const notes = [
    attempt > 1 ? `attempt ${attempt}` : '',
    exit_code === undefined ? '' : `the plotter ended with exit code ${exit_code}`,
    exit_signal ? `the plotter was ended by ${exit_signal}` : '',
  ].filter((note) => note !== '');
  return notes.length === 0 ? status : `${status} (${notes.join(', ')})`;
}

/** What earlier plots took is over. */
const OVERDUE = 'overdue';

/** Empty where it is not known. */
export function timeLeftOf(seconds: number | undefined): string {
  if (seconds === undefined) return '';
  return seconds === 0 ? OVERDUE : `about ${formatDuration(seconds)} left`;
}

function progressLine({ progress = 0, stage_now }: PlotDetails, left: number | undefined): string {
  const parts = [formatPercent(progress), stage_now ? `stage ${stage_now}` : '', timeLeftOf(left)];
  return parts.filter((part) => part !== '').join(', ');
}

function plotterLine({ plot_pid, log_pid }: PlotTaskStatus): string {
  return [plot_pid && `process ${plot_pid}`, log_pid && `log receiver ${log_pid}`].filter(Boolean).join(', ');
}

function sizeLine({ ksize, threads, buffer, buckets, stripe_size }: PlotDetails): string {
  return [
    ksize && `k${ksize}`,
    threads && `${threads} threads`,
    buffer && `${buffer} MiB buffer`,
    buckets && `${buckets} buckets`,
    stripe_size && `stripe size ${stripe_size}`,
  ]
    .filter(Boolean)
    .join(', ');
}

function cachesOf({ cache1, cache2 }: PlotDetails = {}): string[] {
  return [...new Set([cache1, cache2].filter((cache) => cache !== undefined))];
}

/** Seconds: what the plotter says, else from start to finish. */
function timeTaken({ plot_details, started_time, finished_time }: PlotTaskStatus): number | undefined {
  const told = plot_details?.total_time?.time;
  if (told !== undefined) return told;
  return started_time && finished_time ? finished_time - started_time : undefined;
}

function text(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}
