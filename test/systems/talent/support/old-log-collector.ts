/**
 * What an old log collector sends for one k32 plot: 58 updates, each the whole status as known so far, with what it does
 * not know at zero (so not on the wire). From the third on each says `running` again; the last says `finished`.
 */

import type { WireMessage, WireValue } from './wire-bytes.js';

export const PLOT_ID = 'd2540dcfcffddbfbd7e60b4aca4d54fb937db71991298fabc253f020a87ff7d4';
export const FILE_NAME = `plot-k32-2021-06-01-12-00-${PLOT_ID}.plot`;
export const FILE_DIRECTORY = '/mnt/farm/07';

type Section = { [name: string]: Section | string | number | boolean };

/** Table 1 of a k32 plot does not fit into 32 bits. */
const TABLE_1_SIZE = ['phase_1_status.table_1_now_size', 3_425_151_400] as const;

/** What each update adds: paths into PlotDetails with their values. */
const ADDED: readonly (readonly (readonly [path: string, value: string | number | boolean])[])[] = [
  [
    ['progress', 0.5],
    ['phase_1_status.stage', 'computing'],
  ],
  [['memo', '8d3b4a']],
  [
    ['id', PLOT_ID],
    ['ksize', 32],
    ['buffer', 3390],
    ['buckets', 128],
    ['threads', 4],
    ['stripe_size', 65_536],
    ['is_started', true],
  ],
  ...[1, 2, 3, 4, 5, 6, 7].flatMap((table) => [
    [['phase_1_status.now', table] as const],
    [...timed(`phase_1_status.t${table}`, 200 + table), ...(table === 1 ? [TABLE_1_SIZE] : [])],
  ]),
  timed('phase_1_status', 9000),
  ...[7, 6, 5, 4, 3, 2, 1].flatMap((table) => [
    [['phase_2_status.now', table] as const],
    timed(`phase_2_status.t${table}.scan`, 40 + table),
    ...(table === 7 ? [] : [timed(`phase_2_status.t${table}.sort`, 600 + table)]),
  ]),
  timed('phase_2_status', 4000),
  ...['t1_2', 't2_3', 't3_4', 't4_5', 't5_6', 't6_7'].flatMap((tables) => [
    [['phase_3_status.now', tables] as const],
    timed(`phase_3_status.${tables}`, 1300),
  ]),
  timed('phase_3_status', 8000),
  [['phase_4_status.stage', 'writing']],
  timed('phase_4_status', 500),
  [['wrote', 108_825_000_000]],
  timed('total_time', 21_500),
  timed('copy_time', 880),
  [
    ['dest_path', `${FILE_DIRECTORY}/${FILE_NAME}`],
    ['dest_file_name', FILE_NAME],
    ['is_finished', true],
    ['progress', 100],
  ],
];

function timed(path: string, seconds: number) {
  return [
    [`${path}.stage`, 'finished'] as const,
    [`${path}.time`, seconds + 0.123] as const,
    [`${path}.cpu_usage`, 98.7] as const,
  ];
}

/** @param finishedAt Unix seconds */
export function updatesOfPlot(taskId: string, finishedAt: number): WireMessage[] {
  const details: Section = {};
  return ADDED.map((added, index) => {
    for (const [path, value] of added) put(details, path, value);
    if (index > 0 && index < ADDED.length - 1) details['progress'] = 1.5 * index;
    const last = index === ADDED.length - 1;
    const status = last
      ? { status: 'finished', finished_time: finishedAt }
      : index > 1
        ? { status: 'running' }
        : {};
    return { task_id: taskId, ...status, plot_details: frozen(details) };
  });
}

function put(into: Section, path: string, value: string | number | boolean): void {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let section = into;
  for (const name of names) {
    const inner = section[name];
    const next: Section = typeof inner === 'object' ? inner : {};
    section[name] = next;
    section = next;
  }
  section[last] = value;
}

function frozen(section: Section): WireMessage {
  const entries = Object.entries(section).map(([name, value]): [string, WireValue] => [
    name,
    typeof value === 'object' ? frozen(value) : value,
  ]);
  return Object.fromEntries(entries);
}
