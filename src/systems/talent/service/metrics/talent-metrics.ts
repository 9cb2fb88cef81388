/**
 * Metrics of a farm: plots by state, how far they are, how long their phases took, what plotters take, and why nothing starts.
 *
 * Guarantees: labels are states, phases and reasons that owl knows, never ids of tasks or workers; what is asked of the tables is
 * bounded (plot-task-figures.ts, state-counts.ts).
 */

import { FINAL_STATES } from '../../../../../machines/talent/final-states.js';
import { PlotTaskFigures } from '../../../../../projections/talent/plot-task-figures.js';
import { plotTasks } from '../../../../../projections/talent/plot-tasks.js';
import type { SqlRow } from '../../../../base/sql.js';
import { type Metric, type MetricGroup, metricGroup, one } from '../../../../node/metrics/metric.js';
import type { Sample } from '../../../../node/metrics/samples.js';
import { DurationsBy, Tally } from '../../../../node/metrics/tally.js';
import type { NodeContext } from '../../../../node/system.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import type { MachineFigures, MachinesTold } from './machine-figures.js';
import { StateCounts } from './state-counts.js';

/** Of running plots so many are looked at, and of waiting ones so many are counted. */
const MOST_RUNNING = 1_000;
const MOST_WAITING = 20_000;

/** Who has been lost for so long and has nothing to do is missed no more: decision 0056. */
const GONE_AFTER_SECONDS = 86_400;

/** From seconds, for tests, to two days. */
const PHASE_SECONDS = [
  ...[1, 10, 60, 300, 600, 900, 1_800, 2_700, 3_600, 5_400, 7_200, 10_800, 14_400, 21_600, 28_800, 43_200],
  ...[86_400, 172_800],
];
const PHASE_COLUMNS = [
  ['1', 'p1_total_time'],
  ['2', 'p2_total_time'],
  ['3', 'p3_total_time'],
  ['4', 'p4_total_time'],
  ['copy', 'copy_time'],
  ['all', 'total_time'],
] as const;
/** A k that a farm makes has a label of its own. */
const KSIZES: ReadonlySet<number> = new Set([32, 33, 34, 35]);
/** As `stage_now` has them. */
const STAGES = ['1', '2', '3', '4', 'copy'] as const;

/** What ends a task, as far as the event alone tells; a stop ends it at once where it had not begun. */
const ENDS: Readonly<Record<string, (typeof FINAL_STATES)[number]>> = {
  PlotTaskFinished: 'finished',
  PlotTaskFailed: 'failed',
  PlotTaskStopped: 'stopped',
};

interface Farm {
  readonly states: ReadonlyMap<string, number>;
  readonly running: readonly SqlRow[];
  readonly withoutSupervisor: number;
  readonly supervisors: readonly SqlRow[];
  readonly machines: MachinesTold;
}

/** Counts from now on what ends. */
export function talentMetrics(
  { runtime, clock }: Pick<NodeContext, 'runtime' | 'clock'>,
  machines: MachineFigures,
): MetricGroup {
  const figures = new PlotTaskFigures(runtime.db);
  const counts = new StateCounts(figures, clock);
  const ends = new Ends(figures);
  runtime.onApplied(plotTasks.name, (events) => {
    for (const event of events) {
      if (event.type === 'PlotTaskReported') continue;
      counts.changed();
      ends.note(event);
    }
  });
  return metricGroup({
    name: 'talent',
    gather: async (): Promise<Farm> => ({
      states: await counts.count(),
      running: figures.running(MOST_RUNNING),
      withoutSupervisor: figures.withoutSupervisor(MOST_WAITING),
      supervisors: figures.supervisors(clock.now() / 1000 - GONE_AFTER_SECONDS),
      machines: machines.sum(),
    }),
    metrics: [...plotMetrics(), ...ends.metrics(), ...machineMetrics()],
  });
}

/** How plots ended that did since this node began, and how long their phases took. */
class Ends {
  private readonly figures: PlotTaskFigures;
  private readonly ended = new Tally(FINAL_STATES.map((state): [string] => [state]));
  private readonly phases = new DurationsBy(PHASE_SECONDS);

  constructor(figures: PlotTaskFigures) {
    this.figures = figures;
  }

  note({ type, stream, revision }: RecordedEvent): void {
    const state = ENDS[type];
    if (state !== undefined) this.ended.add(state);
    if (state !== 'finished' && type !== 'PlotTaskStopRequested') return;
    const row = this.figures.ended(idOf(stream));
    if (row === undefined) return;
    if (state === 'finished') this.notePhases(row);
    else if (row['status'] === 'stopped' && row['revision'] === revision) this.ended.add('stopped');
  }

  metrics(): Metric<Farm>[] {
    return [
      {
        name: 'talent_plots_ended_total',
        help: 'Plots that ended since this node began, as it learnt of them, by how',
        type: 'counter',
        labels: ['state'],
        samples: () => this.ended.samples(['state']),
      },
      {
        name: 'talent_plot_phase_seconds',
        help: 'How long the phases of finished plots took, as their logs say; all: the whole plot without its copy',
        type: 'histogram',
        labels: ['phase', 'ksize'],
        samples: () => this.phases.samples(['phase', 'ksize']),
      },
    ];
  }

  private notePhases(row: SqlRow): void {
    const k = Number(row['ksize']);
    const ksize = KSIZES.has(k) ? String(k) : 'other';
    for (const [phase, column] of PHASE_COLUMNS) {
      const seconds = row[column];
      if (typeof seconds === 'number') this.phases.observe(phase, ksize, seconds * 1000);
    }
  }
}

function plotMetrics(): Metric<Farm>[] {
  return [
    {
      name: 'talent_plots',
      help: 'Plot tasks by state',
      type: 'gauge',
      labels: ['state'],
      samples: ({ states }) => [...states].map(([state, value]) => ({ labels: { state }, value })),
    },
    {
      name: 'talent_running_plots',
      help: 'Running plots by the phase that they are in, the newest 1000; unknown: their logs do not say yet',
      type: 'gauge',
      labels: ['phase'],
      samples: ({ running }) => byStage(running),
    },
    {
      name: 'talent_running_plots_progress_ratio',
      help: 'How far running plots are, from 0 to 1: the least, the mean and the most of the newest 1000',
      type: 'gauge',
      labels: ['of'],
      samples: ({ running }) => progressOf(running),
    },
  ];
}

function machineMetrics(): Metric<Farm>[] {
  return [
    {
      name: 'talent_waiting_plots',
      help: 'Tasks that can not start yet, by reason, as supervisors told with their last heartbeat; no_supervisor: of machines without one, up to 20000',
      type: 'gauge',
      labels: ['reason'],
      samples: ({ machines, withoutSupervisor }) => [
        ...[...machines.waiting].map(([reason, value]) => ({ labels: { reason }, value })),
        { labels: { reason: 'no_supervisor' }, value: withoutSupervisor },
      ],
    },
    {
      name: 'talent_plotters',
      help: 'Plotters that run, as supervisors told this node with their last heartbeat',
      type: 'gauge',
      samples: ({ machines }) => one(machines.plotters),
    },
    {
      name: 'talent_plotters_cpu_cores',
      help: 'Cores that these plotters keep busy',
      type: 'gauge',
      samples: ({ machines }) => one(machines.cpuCores),
    },
    {
      name: 'talent_plotters_memory_bytes',
      help: 'Memory that these plotters take',
      type: 'gauge',
      samples: ({ machines }) => one(machines.memoryBytes),
    },
    {
      name: 'talent_supervisors',
      help: 'Supervisors by the state of their lease, on all nodes of the store; gone: lost for a day, and no task waits for it',
      type: 'gauge',
      labels: ['status'],
      samples: ({ supervisors }) =>
        ['attached', 'lost', 'gone', 'detached'].map((status) => ({
          labels: { status },
          value: Number(supervisors.find((row) => row['standing'] === status)?.['counted'] ?? 0),
        })),
    },
  ];
}

function byStage(running: readonly SqlRow[]): Sample[] {
  const tally = new Tally([...STAGES, 'unknown'].map((phase): [string] => [phase]));
  for (const { stage_now: stage } of running) tally.add(STAGES[Number(stage ?? 0) - 1] ?? 'unknown');
  return tally.samples(['phase']);
}

function progressOf(running: readonly SqlRow[]): Sample[] {
  const all = running.map(({ progress }) => Number(progress ?? 0) / 100);
  if (all.length === 0) return [];
  const mean = all.reduce((sum, progress) => sum + progress, 0) / all.length;
  const told = { least: Math.min(...all), mean, most: Math.max(...all) };
  return Object.entries(told).map(([of, value]) => ({ labels: { of }, value }));
}
