/**
 * What talent believes, held against what a machine has: tasks that are under way by all that is stored, and that the
 * supervisor of their machine does not have, are marked, and fail as lost unless one comes that has them.
 *
 * Guarantees: what is marked fails also when the supervisor that said so has gone; only time counts in which this node was
 * listening, so whoever has the plot could have said so; a restarted node counts anew. What is found meanwhile does not fail.
 */

import type { Logger } from 'pino';
import type { PlotTaskSnapshot } from '../../../../../machines/talent/plot-task.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import { hearOut, type ListeningTime } from '../../../../base/listening-time.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { ActorSystem } from '../../../../runtime/actors/actor-system.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { plotTask } from '../plot-task-commands.js';
import { failAsMissing, isMissingMark, markFound, markMissing } from '../supervisor-losses.js';

/** Before what could not be stored is tried again. */
const RETRY_MS = 1_000;

export interface MissingPlotsOptions {
  readonly system: ActorSystem;
  readonly listening: ListeningTime;
  readonly logger: Logger;
  /** How long it may take until one comes that has them. */
  readonly giveUpSeconds: number;
  /** Rows of tasks that have begun and are not over, of one worker or all, as far as the read model knows. */
  readonly begun: (workerId?: string) => readonly SqlRow[];
}

/** What a machine has of a task. */
export interface HadPlot {
  readonly task_id: string;
  readonly attempt: number;
}

export class MissingPlots {
  private readonly options: MissingPlotsOptions;
  private readonly missing = new Map<string, AbortController>();
  private readonly running = new Set<Promise<void>>();
  private stopped = false;

  constructor(options: MissingPlotsOptions) {
    this.options = options;
  }

  /**
   * A supervisor has said what it has.
   * @param now Unix seconds
   * @returns the ids of the tasks it should have and has not
   */
  async compare(workerId: string, had: readonly HadPlot[], by: string, now: number): Promise<string[]> {
    const { system, begun, giveUpSeconds, logger } = this.options;
    const attempts = new Map(had.map(({ task_id, attempt }) => [task_id, attempt]));
    const missing: string[] = [];
    for (const { task_id, attempt, remarks } of begun(workerId)) {
      const taskId = String(task_id);
      const isThere = (attempts.get(taskId) ?? 0) >= Number(attempt);
      if (!isThere) missing.push(taskId);
      else if (!isMissingMark(String(remarks ?? ''))) continue;
      const decide = (task: PlotTaskSnapshot) =>
        isThere ? markFound(task) : markMissing(task, workerId, now, now + giveUpSeconds);
      try {
        await system.execute(plotTask, taskId, { by, decide });
      } catch (error) {
        // It is said again within a minute, and keeps no other from it.
        logger.warn({ err: error, taskId }, 'whether a machine has a task was not stored');
      }
    }
    for (const taskId of missing) this.watch(taskId);
    if (missing.length > 0)
      logger.warn({ workerId, missing }, 'a supervisor does not have tasks of its worker');
    return missing;
  }

  /** Takes note of what the history says of tasks. */
  observe(events: readonly RecordedEvent[]): void {
    for (const { type, stream, data } of events) {
      const taskId = idOf(stream);
      if (type === 'PlotTaskSupervisorLost' && isMissingMark(String(data['remarks']))) this.watch(taskId);
      else if (ENDS.has(type)) this.forget(taskId);
    }
  }

  /** What was marked before this node was started. Never throws. */
  resume(): void {
    try {
      for (const { task_id, remarks } of this.options.begun())
        if (isMissingMark(String(remarks ?? ''))) this.watch(String(task_id));
    } catch (error) {
      this.options.logger.error(
        { err: error },
        'which tasks nobody has is not known; supervisors say it again',
      );
    }
  }

  stop(): void {
    this.stopped = true;
    for (const taskId of this.missing.keys()) this.forget(taskId);
  }

  /** Once stopped. */
  async ended(): Promise<void> {
    await Promise.all(this.running);
  }

  private watch(taskId: string): void {
    if (this.stopped || this.missing.has(taskId)) return;
    const over = new AbortController();
    this.missing.set(taskId, over);
    const running = this.run(taskId, over.signal).finally(() => this.running.delete(running));
    this.running.add(running);
  }

  private forget(taskId: string): void {
    this.missing.get(taskId)?.abort();
    this.missing.delete(taskId);
  }

  private async run(taskId: string, signal: AbortSignal): Promise<void> {
    const { system, listening, logger, giveUpSeconds } = this.options;
    await listening.wait(giveUpSeconds * 1000, signal);
    await hearOut();
    while (!signal.aborted) {
      try {
        await system.execute(plotTask, taskId, { by: 'lease', decide: failAsMissing });
        this.forget(taskId);
      } catch (error) {
        logger.error({ err: error, taskId }, 'a task that nobody has did not fail');
        if (isRefusal(error)) return;
        await listening.wait(RETRY_MS, signal);
      }
    }
  }
}

/** After these nobody is missed any more. */
const ENDS: ReadonlySet<string> = new Set([
  'PlotTaskSupervisorReturned',
  'PlotTaskFinished',
  'PlotTaskStopped',
  'PlotTaskFailed',
  'PlotTaskRetried',
]);
