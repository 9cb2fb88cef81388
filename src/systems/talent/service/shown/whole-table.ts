/**
 * All tasks that match, in one answer, as peers of old ask for them, and in streams that begin with them.
 *
 * Guarantees: an answer for peers of old is one that they take: where there is more, what is left out is counted in it and told in
 * the log, once until all fit again; oldest first; each task as it was at some moment after the question; read in windows of the running number, each
 * at once, so that a task that goes from one asked-for status to another is neither missing nor there twice; between two windows
 * everything else has its turn.
 */

import type { Logger } from 'pino';
import type { PlotTaskFilter, PlotTaskQueries } from '../../../../../projections/talent/plot-task-queries.js';
import { Slices } from '../../../../base/slices.js';
import type { SqlRow } from '../../../../base/sql.js';
import { EncodedMessage, messageField } from '../../../../node/serving/encoded.js';
import { WholeAnswers } from '../../../../node/serving/whole-answers.js';
import { AllTasks, type AnsweredTasks, FittingTasks } from './answered-tasks.js';
import { withEmptyPhases } from './empty-phases.js';
import type { ShownTasks } from './shown-tasks.js';

/** Read at once. */
const WINDOW = 256;
/** Numbers of fields in proto/talent.proto. */
const TASKS_OF_ALL = 1;
const LEFT_OUT = 100;
/** What a gRPC peer takes that says nothing else, with room for the number of those that are left out. */
const MOST_BYTES = 4 * 1024 * 1024 - 16;

export interface WholeTableOptions {
  readonly tasks: PlotTaskQueries;
  readonly shown: ShownTasks;
  /** Resolves once the table holds all that this node has acknowledged. */
  readonly upToDate: () => Promise<void>;
  readonly logger: Logger;
}

export class WholeTable {
  private readonly tasks: PlotTaskQueries;
  private readonly shown: ShownTasks;
  private readonly upToDate: () => Promise<void>;
  private readonly logger: Logger;
  private readonly answers = new WholeAnswers('ask for pages with plot_task_list');
  /** Questions whose answers had to leave something out the last time. */
  private readonly tooLarge = new Set<string>();

  constructor({ tasks, shown, upToDate, logger }: WholeTableOptions) {
    this.tasks = tasks;
    this.shown = shown;
    this.logger = logger;
    this.upToDate = upToDate;
  }

  /** A PlotTaskStatusAllResponse that every peer takes. As below. */
  async forOldPeers(filter: PlotTaskFilter, over: AbortSignal): Promise<EncodedMessage> {
    return new EncodedMessage(
      await this.answer(TASKS_OF_ALL, filter, over, () => new FittingTasks(MOST_BYTES, LEFT_OUT)),
    );
  }

  /**
   * @param field number of the `repeated PlotTaskStatus` that they are to be in
   * @param over the call that asks
   * @param before what stands before them; the same for equal filters
   * @throws OwlError kind `retryable` when too much is asked at once
   */
  encoded(
    field: number,
    filter: PlotTaskFilter,
    over: AbortSignal,
    before: readonly Buffer[] = [],
  ): Promise<Buffer> {
    return this.answer(field, filter, over, () => new AllTasks(before));
  }

  private answer(
    field: number,
    filter: PlotTaskFilter,
    over: AbortSignal,
    begin: () => AnsweredTasks,
  ): Promise<Buffer> {
    const question = JSON.stringify([field, filter]);
    return this.answers.ask(question, over, async (gone) => {
      await this.upToDate();
      const slices = new Slices();
      const answered = begin();
      for (const window of windowsOf(this.tasks, filter)) {
        for (const head of this.tasks.heads(filter, window)) {
          const message = this.shown.encodedFrom(head);
          if (message !== undefined)
            answered.add(head['status'], messageField(field, withEmptyPhases(message)));
          if (slices.isOver()) await slices.next(gone);
        }
        if (slices.isOver()) await slices.next(gone);
      }
      this.tell(question, filter, answered);
      return answered.encoded();
    });
  }

  private tell(question: string, filter: PlotTaskFilter, { tasks, leftOut }: AnsweredTasks): void {
    if (leftOut === 0) {
      this.tooLarge.delete(question);
      return;
    }
    if (this.tooLarge.has(question)) return;
    this.tooLarge.add(question);
    this.logger.warn(
      { asked: filter, tasks, leftOut },
      'not all tasks that are asked for fit into an answer that peers of old take (4 MiB): those that ended longest ago are left out first; plot_task_list has all of them, in pages',
    );
  }
}

/** The beginnings of their rows, in step with whoever takes them. */
export function* headsOf(tasks: PlotTaskQueries, filter: PlotTaskFilter): Generator<SqlRow> {
  for (const window of windowsOf(tasks, filter)) yield* tasks.heads(filter, window);
}

function* windowsOf(tasks: PlotTaskQueries, filter: PlotTaskFilter) {
  for (let next = tasks.nextId(filter, 0); next !== undefined; ) {
    const window = { after: next - 1, upTo: next - 1 + WINDOW };
    yield window;
    next = tasks.nextId(filter, window.upTo);
  }
}
