/** Pilots as people see them: the columns of the table, and everything about one of them. */

import { formatAge, formatDuration, formatTime } from '../../../cli/format.js';
import { remarksColumn } from '../../../cli/remarks-column.js';
import { type Column, renderPairs, type TableLayout } from '../../../cli/table.js';
import type { Pilot } from '../wire/messages.js';
import { paintStatus, some } from './view-parts.js';

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

export function pilotCard(pilot: Pilot, { width }: TableLayout): string {
  return renderPairs(
    [
      ['pilot', `${pilot.name ?? ''}${pilot.pilot_id === undefined ? '' : `, number ${pilot.pilot_id}`}`],
      ['status', pilot.status ?? ''],
      ['remarks', pilot.remarks ?? ''],
      ['device', pilot.device_type ?? ''],
      ['slots', `${pilot.slots_used ?? 0} of ${pilot.slots ?? 0} busy`],
      ['memory', pilot.memory_mib === undefined ? '' : `${pilot.memory_mib} MiB for jobs`],
      ['may run', (pilot.executables ?? []).join(', ')],
      ['jobs', `${pilot.jobs_done ?? 0} done, ${pilot.jobs_failed ?? 0} failed`],
      [
        'host',
        [pilot.host, pilot.pid === undefined ? '' : `process ${pilot.pid}`].filter(Boolean).join(', '),
      ],
      ['version', pilot.version ?? ''],
      ['session', pilot.session_id ?? ''],
      ['lease', pilot.lease_seconds === undefined ? '' : formatDuration(pilot.lease_seconds)],
      ['registered', formatTime(pilot.registered_time)],
      ['heard', formatTime(pilot.last_report_time)],
      ['lost', formatTime(pilot.lost_time)],
      ['sample', pilot.metrics ?? ''],
    ],
    width,
  );
}
