/** Pilots as people see them: the columns of the table, and everything about one of them, with its newest sample. */

import { z } from 'zod';
import { some } from '../../../cli/entity-view.js';
import { formatAge, formatDuration, formatPercent, formatSize, formatTime } from '../../../cli/format.js';
import { remarksColumn } from '../../../cli/remarks-column.js';
import { type Column, renderPairs, renderTable, type TableLayout } from '../../../cli/table.js';
import type { Pilot } from '../wire/messages.js';
import { paintStatus } from './view-parts.js';

/** @param nowMs what ages count from; @param width of the table */
export function pilotColumns(nowMs: number, width: number): Column<Pilot>[] {
  return [
    { title: 'PILOT', rank: 0, least: 12, value: ({ name = '' }) => name },
    {
      ...{ title: 'STATUS', rank: 0, value: ({ status = '' }) => status },
      paint: (text, { status }) => paintStatus(text, status),
    },
    { title: 'DEVICE', rank: 1, value: ({ device_type = '' }) => device_type },
    {
      title: 'BUSY',
      rank: 0,
      align: 'right',
      value: ({ slots = 0, slots_used = 0 }) => `${slots_used}/${slots}`,
    },
    { title: 'DONE', rank: 2, align: 'right', value: ({ jobs_done }) => some(jobs_done) },
    { title: 'FAILED', rank: 2, align: 'right', value: ({ jobs_failed }) => some(jobs_failed) },
    {
      title: 'HEARD',
      rank: 1,
      align: 'right',
      value: ({ last_report_time }) => formatAge(last_report_time, nowMs),
    },
    { title: 'RUNS', rank: 4, least: 12, value: ({ executables = [] }) => executables.join(' ') },
    { title: 'HOST', rank: 3, least: 8, value: ({ host = '' }) => host },
    remarksColumn(width, 2, 16),
  ];
}

/** As nodes tell it, in JSON: sizes are bytes, cpu is in percent of one core. What a neighbouring version tells otherwise is left out. */
const Figure = z.number().nullish().catch(undefined);
const Sample = z.object({
  ...{ load: Figure, rss: Figure, disk_free: Figure },
  jobs: z
    .array(z.object({ job: z.string(), phase: z.string(), cpu: Figure, rss: Figure, log_bytes: Figure }))
    .catch([]),
});
type Sample = z.output<typeof Sample>;
type JobSample = Sample['jobs'][number];

function sampleIn(metrics: string | undefined): Sample | undefined {
  if (metrics === undefined) return undefined;
  try {
    return Sample.safeParse(JSON.parse(metrics)).data;
  } catch {
    return undefined;
  }
}

/** @param numbers of its jobs, by their uids */
export function pilotCard(pilot: Pilot, numbers: ReadonlyMap<string, number>, layout: TableLayout): string {
  const { load, rss, disk_free, jobs = [] } = sampleIn(pilot.metrics) ?? {};
  const pairs = renderPairs(
    [
      ['pilot', `${pilot.name ?? ''}${pilot.pilot_id === undefined ? '' : `, number ${pilot.pilot_id}`}`],
      ['status', pilot.status ?? ''],
      ['remarks', pilot.remarks ?? ''],
      ['device', pilot.device_type ?? ''],
      ['slots', `${pilot.slots_used ?? 0} of ${pilot.slots ?? 0} busy`],
      ['may use', pilot.memory_mib === undefined ? '' : `${pilot.memory_mib} MiB for jobs`],
      ['may run', (pilot.executables ?? []).join(', ')],
      ['jobs', `${pilot.jobs_done ?? 0} done, ${pilot.jobs_failed ?? 0} failed`],
      [
        'host',
        [pilot.host, pilot.pid === undefined ? '' : `process ${pilot.pid}`].filter(Boolean).join(', '),
      ],
      ['load', load === undefined || load === null ? '' : load.toFixed(2)],
      ['memory', rss === undefined || rss === null ? '' : `${formatSize(rss)}, its jobs included`],
      ['disk free', formatSize(disk_free ?? undefined)],
      ['version', pilot.version ?? ''],
      ['session', pilot.session_id ?? ''],
      ['lease', pilot.lease_seconds === undefined ? '' : formatDuration(pilot.lease_seconds)],
      ['registered', formatTime(pilot.registered_time)],
      ['heard', formatTime(pilot.last_report_time)],
      ['lost', formatTime(pilot.lost_time)],
    ],
    layout.width,
  );
  return jobs.length === 0 ? pairs : `${pairs}\n${renderTable(jobColumns(numbers), jobs, layout)}`;
}

function jobColumns(numbers: ReadonlyMap<string, number>): Column<JobSample>[] {
  return [
    // One that is over meanwhile has no number here.
    {
      title: 'JOB',
      rank: 0,
      align: 'right',
      value: ({ job }) => String(numbers.get(job) ?? job.slice(0, 8)),
    },
    {
      ...{ title: 'PHASE', rank: 0, value: ({ phase }) => phase },
      paint: (text, { phase }) => paintStatus(text, phase),
    },
    { title: 'CPU', rank: 1, align: 'right', value: ({ cpu }) => formatPercent(cpu ?? undefined) },
    { title: 'MEMORY', rank: 1, align: 'right', value: ({ rss }) => formatSize(rss ?? undefined) },
    { title: 'LOG', rank: 2, align: 'right', value: ({ log_bytes }) => formatSize(log_bytes ?? undefined) },
  ];
}
