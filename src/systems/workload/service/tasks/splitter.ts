/**
 * The splitter: a loop that plans jobs of the tasks that there are, the highest rank first, as long as there is room.
 *
 * Guarantees: no more jobs wait than the window of their device has room for, so nothing is made that is not soon needed; it runs on one
 * node at a time, by a lease; what it plans is judged by the task, so what a node planned that was killed is not planned again; while
 * it is switched off nothing is planned (switches/settling.ts), and on again it goes on where it was; a task whose jobs can't all be
 * made fails once nothing of it is under way.
 */

import { MOST_JOBS_OF_A_CHUNK, type TaskSnapshot } from '../../../../../machines/workload/task.js';
import { workload } from '../../../../../projections/workload/workload.js';
import { OwlError } from '../../../../base/errors.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { Loop, LoopContext } from '../../../../runtime/loops/loop.js';
import { Settling } from '../switches/settling.js';
import { isOff, whileOn } from '../switches/switch-gates.js';
import type { WorkloadContext } from '../workload-context.js';
import { nextStep, type Splittable, type Step } from './split.js';
import { completeSplit, failTask, plan, tooMany } from './task-commands.js';
import { countedIn, splittableOf } from './task-rows.js';
import { task } from './task-type.js';

const BY = 'loop:workload-splitter';
const LEASE_SECONDS = 5;

/** Of jobs that only this may be waiting for. */
const MAKES_ROOM = new Set(['JobClaimed', 'JobFinished', 'JobFailed', 'JobCancelled', 'JobRetried']);

/** What happens to these is of account while a task waits to be split. */
const OF_SPLITTING = /^wl_(job|file|dataset)-/;

export function splitter(context: WorkloadContext): Loop {
  let isAnyDue = true;
  const settling = new Settling(context, 'splitter');
  return {
    name: 'workload-splitter',
    readModels: [workload.name],
    leaseSeconds: LEASE_SECONDS,
    begin: (loop) => settling.begin(loop),
    applied: (events) => {
      settling.applied(events);
      return events.some(({ stream, type }) =>
        OF_SPLITTING.test(stream)
          ? isAnyDue && (!stream.startsWith('wl_job-') || MAKES_ROOM.has(type))
          : true,
      );
    },
    round: async (loop) => {
      await settling.round(loop);
      const round = new Round(context, loop);
      isAnyDue = round.due.length > 0;
      await round.run();
      return {};
    },
  };
}

/** Jobs that one plan may make at the most, so that a window takes four. */
export function chunkSize(window: number): number {
  return Math.min(MOST_JOBS_OF_A_CHUNK, Math.ceil(window / 4));
}

/** Jobs of a device that wait, and those that are planned to. */
export function waitingOf({ db }: Pick<WorkloadContext, 'db'>, device: string): number {
  const row = db
    .prepare(
      `SELECT coalesce(sum(jobs_waiting + jobs_planned - jobs_total), 0) AS waiting FROM task_dat
       WHERE device_type = ? AND state IN ('registered', 'splitting', 'running', 'finishing', 'cancelling', 'failed')`,
    )
    .get(device);
  return Number(row?.['waiting'] ?? 0);
}

class Round {
  private readonly context: WorkloadContext;
  private readonly loop: LoopContext;
  /** By device. */
  private readonly room = new Map<string, number>();
  private readonly chunkSize: number;
  /** Tasks that are to be split, now or once they can be. */
  readonly due: readonly SqlRow[];
  /** It was found switched off in this round: nothing more is planned. Undefined before somebody looked. */
  private isOff: boolean | undefined;

  constructor(context: WorkloadContext, loop: LoopContext) {
    this.context = context;
    this.loop = loop;
    this.chunkSize = chunkSize(context.config.split_window);
    this.due = context.db
      .prepare(
        `SELECT * FROM task_dat WHERE state IN ('registered', 'splitting') AND held = 0 ORDER BY rank DESC, task_id`,
      )
      .all();
  }

  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (const row of this.due) {
      this.loop.assertMayAct();
      try {
        await this.split(row);
      } catch (error) {
        // One that can't be written to keeps no other waiting.
        if (!(error instanceof OwlError)) throw error;
        const { logger } = this.context;
        logger.warn({ err: error, task: row['uid'] }, 'a task can not be split now');
        if (error.kind !== 'refused') failures.push(error);
      }
    }
    // The round is tried again, later and later.
    if (failures.length > 0) throw failures[0];
  }

  private async split(row: SqlRow): Promise<void> {
    const failed = Number(row['jobs_failed']);
    const most = Number(row['max_failed_jobs']);
    if (failed > most) return this.fail(row, tooMany(failed, most));
    this.isOff ??= await isOff(this.context, 'splitter');
    let splittable: Splittable | undefined = splittableOf(row);
    while (splittable !== undefined) {
      const most: number =
        this.isOff || this.roomOf(String(row['device_type'])) < this.chunkSize ? 0 : this.chunkSize;
      const step: Step = nextStep(this.context.db, splittable, most);
      const after = await this.take(row, splittable, step);
      splittable = after === undefined ? undefined : { ...splittable, planned: after.context };
    }
  }

  /** @returns where the task goes on from; undefined where nothing more is to be done now */
  private async take(
    row: SqlRow,
    { uid, planned }: Splittable,
    step: Step,
  ): Promise<TaskSnapshot | undefined> {
    if (step.kind === 'plan') {
      const device = String(row['device_type']);
      this.loop.assertMayAct();
      const { chunk } = step;
      const after = await whileOn(this.context, 'splitter', () =>
        this.execute(uid, (snapshot) => plan(snapshot, chunk)),
      );
      this.isOff = after === undefined;
      if (after?.context.chunks !== chunk.chunk) return undefined;
      this.room.set(device, this.roomOf(device) - chunk.jobs);
      return after;
    }
    if (step.kind === 'complete')
      await this.execute(uid, (snapshot) => completeSplit(snapshot, planned.chunks));
    // Whose input was aborted is ended by whoever follows that (datasets/cancel-datasets.ts).
    if (step.kind === 'fail' && !step.isAborted) await this.fail(row, step.reason);
    return undefined;
  }

  private async fail(row: SqlRow, reason: string): Promise<void> {
    const counted = countedIn(this.context.db, row);
    if (counted === undefined) return;
    await this.execute(String(row['uid']), (snapshot) => failTask(snapshot, counted, reason));
  }

  private roomOf(device: string): number {
    const known = this.room.get(device);
    if (known !== undefined) return known;
    const room = this.context.config.split_window - waitingOf(this.context, device);
    this.room.set(device, room);
    return room;
  }

  private async execute(
    uid: string,
    decide: (snapshot: TaskSnapshot) => ReturnType<typeof plan>,
  ): Promise<TaskSnapshot> {
    const { snapshot } = await this.context.system.execute(task, uid, {
      by: BY,
      decide,
    });
    return snapshot;
  }
}
