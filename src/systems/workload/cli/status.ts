/** `owl workload status`: all of it on one page: queues, pilots, tasks that are under way, and what waits and why. */

import type { Command } from 'commander';
import { toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import { type Column, renderPairs, renderTable, type TableLayout } from '../../../cli/table.js';
import { DEVICES } from '../devices.js';
import type { BrokerStatus } from '../wire/broker-messages.js';
import type { Job, Pilot, Switch, Task } from '../wire/messages.js';
import type { Series } from '../wire/series-messages.js';
import type { WorkloadClient } from '../wire/workload-client.js';
import { brokerLine } from './broker.js';
import { pilotColumns } from './pilot-view.js';
import { seriesColumns } from './series-view.js';
import { switchLine } from './switch.js';
import { taskColumns } from './task-view.js';
import { withWorkload } from './with-workload.js';

/** A page is no list. */
const MOST_SHOWN = 20;
const UNDER_WAY = ['registered', 'splitting', 'running', 'finishing', 'cancelling'];
const SERIES_GOING_ON = ['created', 'running', 'failed', 'cancelling'];
const WAITING = ['created', 'queued'];

export interface Queue {
  readonly device: string;
  readonly waiting: number;
  readonly running: number;
  readonly pilots: number;
  readonly slots: number;
  readonly slots_used: number;
}

export interface WorkloadState {
  /** Those that are off. */
  readonly switched_off: readonly Switch[];
  readonly queues: readonly Queue[];
  readonly pilots: readonly Pilot[];
  /** Those under way; all of them. */
  readonly tasks: readonly Task[];
  /** Failed ones, which take a retry. */
  readonly failed: readonly Task[];
  /** Those under way, and failed ones. */
  readonly series: readonly Series[];
  /** The first that wait. */
  readonly jobs: readonly Job[];
  /** Undefined: none is configured. */
  readonly broker: BrokerStatus | undefined;
}

export function addStatusCommand(workload: Command, cli: Cli): void {
  const status = workload
    .command('status')
    .summary('show all of it on one page')
    .description(
      'Shows what is switched off, queues and pilots, the tasks that are under way or failed, and what waits and why.',
    );
  addExamples(status, [['owl workload status', 'why does nothing happen?']]);
  status.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const state = await workloadState(client);
      if (options.json) await cli.out.line(toJson(state));
      else await cli.out.write(page(state, Date.now(), cli.out));
    });
  });
}

export async function workloadState(client: WorkloadClient): Promise<WorkloadState> {
  const tasks = await all(client.tasks({ state: UNDER_WAY }));
  const failed = await all(client.tasks({ state: ['failed'], newest_first: true }, MOST_SHOWN));
  const jobs = await all(client.jobs({ state: WAITING }, MOST_SHOWN));
  const pilots = await all(client.pilots());
  const series = await all(client.allSeries({ state: SERIES_GOING_ON }, MOST_SHOWN));
  const switches = await client.switches();
  const broker = await client.broker();
  return {
    switched_off: switches.filter(({ enabled }) => enabled !== true),
    queues: DEVICES.map((device) => queueOf(device, tasks, pilots)),
    ...{ pilots, tasks, failed, series, jobs },
    broker: broker.configured === true ? broker : undefined,
  };
}

export function queueOf(device: string, tasks: readonly Task[], pilots: readonly Pilot[]): Queue {
  const its = tasks.filter(({ device_type }) => device_type === device);
  const there = pilots.filter(({ device_type, status }) => device_type === device && status === 'active');
  return {
    device,
    waiting: sum(its, ({ jobs_waiting }) => jobs_waiting),
    running: sum(its, ({ jobs_running }) => jobs_running),
    pilots: there.length,
    slots: sum(there, ({ slots }) => slots),
    slots_used: sum(there, ({ slots_used }) => slots_used),
  };
}

export function queueLine({ waiting, running, pilots, slots, slots_used }: Queue): string {
  const places =
    pilots === 0
      ? 'no pilot is there'
      : `${slots_used} of ${slots} slot${slots === 1 ? '' : 's'} of ${pilots} pilot${pilots === 1 ? '' : 's'} busy`;
  return `${waiting} job${waiting === 1 ? '' : 's'} waiting, ${running} running, ${places}`;
}

interface Waiting {
  readonly what: string;
  readonly state: string;
  readonly why: string;
}

const WAITING_COLUMNS: readonly Column<Waiting>[] = [
  { title: 'WAITS', rank: 0, value: ({ what }) => what },
  { title: 'STATUS', rank: 0, value: ({ state }) => state },
  { title: 'WHY', rank: 0, least: 16, overflow: 'wrap', value: ({ why }) => why },
];

export function page(
  { switched_off, queues, pilots, tasks, failed, series, jobs, broker }: WorkloadState,
  nowMs: number,
  layout: TableLayout,
): string {
  const { width } = layout;
  const shown = [...tasks.slice(0, MOST_SHOWN), ...failed];
  const waits = [
    ...tasks.filter(isWaiting).map(({ task_id = 0, state = '', remarks = '' }) => ({
      ...{ what: `task ${task_id}`, state, why: remarks },
    })),
    ...jobs.map(({ job_id = 0, state = '', remarks = '' }) => ({
      what: `job ${job_id}`,
      state,
      why: remarks,
    })),
  ];
  const left = tasks.length - Math.min(tasks.length, MOST_SHOWN);
  return [
    switched_off.map((one) => `${switchLine(one)}\n`).join(''),
    renderPairs(
      [
        ...queues.map((queue): [string, string] => [queue.device, queueLine(queue)]),
        ['broker', broker === undefined ? '' : brokerLine(broker)],
      ],
      width,
    ),
    pilots.length === 0
      ? '\nno pilot is there; `owl workload pilot run` runs one\n'
      : `\n${renderTable(pilotColumns(nowMs, width), pilots, layout)}`,
    series.length === 0 ? '' : `\n${renderTable(seriesColumns(nowMs, series, width), series, layout)}`,
    shown.length === 0
      ? '\nno task is under way\n'
      : `\n${renderTable(taskColumns(nowMs, shown, width), shown, layout)}`,
    left === 0 ? '' : `… and ${left} more tasks\n`,
    waits.length === 0 ? '' : `\n${renderTable(WAITING_COLUMNS, waits.slice(0, MOST_SHOWN), layout)}`,
    jobs.length < MOST_SHOWN ? '' : '… `owl workload job list --status created,queued` has all\n',
  ].join('');
}

/** Nothing of it runs, and it says why. */
function isWaiting({ jobs_running = 0, remarks = '' }: Task): boolean {
  return jobs_running === 0 && remarks !== '';
}

function sum<Row>(rows: readonly Row[], of: (row: Row) => number | undefined): number {
  return rows.reduce((total, row) => total + (of(row) ?? 0), 0);
}

async function all<Row>(pages: AsyncIterable<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const some of pages) rows.push(...some);
  return rows;
}
