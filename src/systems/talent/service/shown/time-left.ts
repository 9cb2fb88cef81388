/**
 * How long running plots still take, from how long earlier plots of their size took on their machine. An estimate for
 * people: it says nothing rather than something made up, and what it knows of other plots may be a minute old.
 *
 * Guarantees: between two steps of the progress it counts down, to 0, which is overdue, and never up; a talent that is started
 * again says the same. Of a plot that was halted nothing is said, and when it goes on its time is counted from there.
 */

import type { PlotTaskQueries } from '../../../../../projections/talent/plot-task-queries.js';
import type { Clock } from '../../../../base/clock.js';
import type { SqlRow } from '../../../../base/sql.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { SUSPENDED } from '../../wire/plot-states.js';
import { stepTimeIn } from './last-step.js';

/** So many of the newest finished plots of a machine count. */
const EARLIER_PLOTS = 100;
/** Tasks that are followed. */
const MOST_FOLLOWED = 10_000;
/** How long what was looked up counts. */
const FRESH_MS = 60_000;

const ENDS: ReadonlySet<string> = new Set(['PlotTaskFinished', 'PlotTaskStopped', 'PlotTaskFailed']);

interface Step {
  readonly progress: number;
  /** Undefined: of the one that is under way. */
  readonly attempt?: unknown;
  readonly at: number;
}

export class TimeLeft {
  private readonly tasks: PlotTaskQueries;
  private readonly clock: Clock;
  /** Seconds that a plot usually takes, by worker and then by k. */
  private usual = new Map<string, ReadonlyMap<number, number>>();
  private lookedUpAt = Number.NEGATIVE_INFINITY;
  /** When each running task had come how far. Unix seconds. */
  private readonly steps = new Map<string, Step>();
  private readonly halted = new Set<string>();

  constructor(tasks: PlotTaskQueries, clock: Clock) {
    this.tasks = tasks;
    this.clock = clock;
  }

  /** Seconds; undefined for what does not run and for what nothing is known of. @param row of `plot_tasks` */
  of(row: SqlRow): number | undefined {
    const { running_time: since, ksize, worker_id: workerId } = row;
    const step = this.stepOf(row);
    if (step === undefined || typeof since !== 'number') return undefined;
    const usual = this.usualOn(String(workerId)).get(Number(ksize));
    const left = estimateSecondsLeft(step.progress, step.at - since, usual);
    if (left === undefined) return undefined;
    const passed = Math.max(this.clock.now() / 1000 - step.at, 0);
    return Math.max(left - passed, 0);
  }

  /** Takes note of when plots come how far: news that comes later may be news of something else. */
  observe(events: readonly RecordedEvent[]): void {
    for (const event of events) {
      const taskId = idOf(event.stream);
      const at = stepTimeIn(event);
      const { progress, remarks } = event.data;
      if (at !== undefined) this.keep(taskId, { progress: typeof progress === 'number' ? progress : 0, at });
      if (ENDS.has(event.type)) this.forget(taskId);
      else if (remarks === SUSPENDED) this.halted.add(taskId);
      else if (remarks !== undefined && this.halted.delete(taskId))
        this.note(taskId, event.metadata.time / 1000);
    }
  }

  /**
   * What was stored before this talent began. Until it is known of a task, its newest event counts.
   * @param stepOf Unix seconds of the last step of a task; undefined where it is not known
   */
  async recall(stepOf: (taskId: string) => Promise<number | undefined>): Promise<void> {
    for (const { task_id, revision } of this.tasks.heads({ statuses: ['running'] }, {})) {
      const taskId = String(task_id);
      const at = await stepOf(taskId);
      // What has come meanwhile was observed.
      if (at !== undefined && this.tasks.get(taskId)?.['revision'] === revision) this.note(taskId, at);
    }
  }

  private forget(taskId: string): void {
    this.steps.delete(taskId);
    this.halted.delete(taskId);
  }

  private note(taskId: string, at: number): void {
    const row = this.tasks.get(taskId);
    if (row === undefined || row['status'] !== 'running' || row['remarks'] === SUSPENDED) return;
    this.keep(taskId, { progress: progressIn(row), attempt: row['attempt'], at });
  }

  /** Undefined for what does not run. What it learns is when the progress was seen first, or else the row's newest event. */
  private stepOf(row: SqlRow): Step | undefined {
    const { task_id, status, attempt, remarks, update_time: at, running_time } = row;
    const taskId = String(task_id);
    if (status !== 'running' || remarks === SUSPENDED) {
      this.steps.delete(taskId);
      return undefined;
    }
    const progress = progressIn(row);
    const known = this.steps.get(taskId);
    if (known?.progress === progress && (known.attempt ?? attempt) === attempt) return known;
    const first = progress > 0 ? at : (running_time ?? at);
    return this.keep(taskId, { progress, attempt, at: Number(first) });
  }

  private keep(taskId: string, step: Step): Step {
    if (this.steps.size >= MOST_FOLLOWED) this.steps.clear();
    if (this.halted.size >= MOST_FOLLOWED) this.halted.clear();
    this.steps.set(taskId, step);
    return step;
  }

  private usualOn(workerId: string): ReadonlyMap<number, number> {
    const now = this.clock.monotonic();
    if (now - this.lookedUpAt >= FRESH_MS) {
      this.usual = new Map();
      this.lookedUpAt = now;
    }
    const known = this.usual.get(workerId) ?? this.lookUp(workerId);
    this.usual.set(workerId, known);
    return known;
  }

  private lookUp(workerId: string): ReadonlyMap<number, number> {
    const totals = new Map<number, number[]>();
    for (const { ksize, seconds } of this.tasks.durations(workerId, EARLIER_PLOTS))
      totals.set(ksize, [...(totals.get(ksize) ?? []), seconds]);
    return new Map([...totals].map(([ksize, all]) => [ksize, medianOf(all)]));
  }
}

function progressIn({ progress }: SqlRow): number {
  return typeof progress === 'number' ? progress : 0;
}

/**
 * @param progress 0 to 100
 * @param elapsedSeconds since the plotter began
 * @param usualSeconds what a plot takes from begin to finished; without it, this plot's own pace counts
 * @returns seconds; undefined when nothing is known
 */
export function estimateSecondsLeft(
  progress: number,
  elapsedSeconds: number,
  usualSeconds: number | undefined,
): number | undefined {
  if (!(progress >= 0)) return undefined;
  const share = Math.min(progress, 100) / 100;
  if (usualSeconds !== undefined) return usualSeconds * (1 - share);
  if (share === 0 || !Number.isFinite(elapsedSeconds) || elapsedSeconds <= 0) return undefined;
  return (elapsedSeconds / share) * (1 - share);
}

/** One plot that stood still for a day does not count for more than any other. @param values at least one */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}
