/**
 * What is reported of one plot, in some 58 messages of which each tells something new: as an old log collector does it, the
 * whole status as known so far (45 B growing to about 1.2 kB, see the wire contract), and as a new log receiver does it.
 */

import type { PlotTaskStatus } from '../src/systems/talent/wire/messages.js';

type Section = { [name: string]: Section | number | string | boolean };

interface Step {
  readonly path: readonly string[];
  readonly value: number | string | boolean;
}

const P1 = ['t1', 't2', 't3', 't4', 't5', 't6', 't7'];
const P2 = ['t7', 't6', 't5', 't4', 't3', 't2', 't1'];
const P3 = ['t1_2', 't2_3', 't3_4', 't4_5', 't5_6', 't6_7'];

/** One list of steps a message; each message holds all steps up to its own. */
const STEPS: readonly (readonly Step[])[] = [
  [at('progress', 0.5), at('phase_1_status.stage', 'computing')],
  [at('memo', 'e1fff5096ebc3399568dd714209655dfe62bba19c606fe980e8153f52c92a71f')],
  [
    at('id', 'd2540dcfcffddbfbd7e60b4aca4d54fb937db71991298fabc253f020a87ff7d4'),
    at('ksize', 32),
    at('buffer', 5000),
    at('buckets', 128),
    at('threads', 4),
    at('stripe_size', 65_536),
    at('is_started', true),
  ],
  ...P1.flatMap((table, i) => [
    begun('phase_1_status', i + 1),
    ...timed(`phase_1_status.${table}`, 1500 + i),
  ]),
  ...P2.flatMap((table, i) => [
    begun('phase_2_status', 7 - i),
    ...timed(`phase_2_status.${table}.scan`, 400 + i),
    ...(table === 't7' ? [] : timed(`phase_2_status.${table}.sort`, 300 + i)),
  ]),
  ...P3.flatMap((table, i) => [
    begun('phase_3_status', table),
    ...timed(`phase_3_status.${table}`, 2000 + i),
  ]),
  ...timed('phase_4_status', 700),
  [at('wrote', 108_825_000_000)],
  ...timed('total_time', 40_000),
  ...timed('copy_time', 900),
];

function at(path: string, value: Step['value']): Step {
  return { path: path.split('.'), value };
}

function begun(phase: string, table: number | string): Step[] {
  return [at(`${phase}.now`, table)];
}

function timed(path: string, seconds: number): Step[][] {
  return [[at(`${path}.time`, seconds + 0.25), at(`${path}.cpu_usage`, 133.5)]];
}

function apply(into: Section, { path, value }: Step): void {
  let section = into;
  for (const name of path.slice(0, -1)) {
    const inner = section[name];
    const next: Section = typeof inner === 'object' ? inner : {};
    section[name] = next;
    section = next;
  }
  const last = path.at(-1);
  if (last !== undefined) section[last] = value;
}

/** The same plot as a new log receiver tells it: each message holds only what is new. */
export function reportsOf(taskId: string): PlotTaskStatus[] {
  const told = (index: number, steps: readonly Step[]): PlotTaskStatus => {
    const details: Section = {};
    for (const step of [...steps, at('progress', progressAt(index))]) apply(details, step);
    return { task_id: taskId, for_attempt: 1, log_offset: index * 4096, plot_details: details };
  };
  const [first = [], ...others] = STEPS;
  return [
    { ...told(1, first), status: 'running', log_pid: 4711 },
    ...others.map((steps, index) => told(index + 2, steps)),
    { ...told(STEPS.length + 1, [at('progress', 100)]), status: 'finished', exit_code: 0 },
  ];
}

function progressAt(index: number): number {
  return Math.min(99, 1 + index * 1.5);
}

/** The updates of one plot, the last of which finishes it. */
export function updatesOf(taskId: string): PlotTaskStatus[] {
  const details: Section = {};
  const updates = STEPS.map((steps, index): PlotTaskStatus => {
    for (const step of steps) apply(details, step);
    apply(details, at('progress', progressAt(index)));
    return {
      task_id: taskId,
      ...(index > 1 ? { status: 'running' } : {}),
      log_pid: 4711,
      plot_details: structuredClone(details),
    };
  });
  apply(details, at('progress', 100));
  updates.push({
    task_id: taskId,
    status: 'finished',
    log_pid: 4711,
    plot_details: { ...structuredClone(details), dest_path: '/mnt/farm/plot-k32.plot', is_finished: true },
  });
  return updates;
}
