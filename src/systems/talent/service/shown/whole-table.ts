/**
 * All tasks that match, in one answer, as peers of old ask for them, and in streams that begin with them.
 *
 * Guarantees: oldest first; each task as it was at some moment after the question; read in windows of the running number, each
 * at once, so that a task that goes from one asked-for status to another is neither missing nor there twice; between two windows
 * everything else has its turn.
 */

import type { PlotTaskFilter, PlotTaskQueries } from '../../../../../projections/talent/plot-task-queries.js';
import type { SqlRow } from '../../../../base/sql.js';
import { messageField } from '../../../../node/serving/encoded.js';
import { Slices } from '../../../../node/serving/slices.js';
import { WholeAnswers } from '../../../../node/serving/whole-answers.js';
import type { ShownTasks } from './shown-tasks.js';

/** Read at once. */
const WINDOW = 256;
/** Small pieces are put together before there are more than so many of them: all at the end would be a long piece of work. */
const MOST_PIECES = 4096;

export class WholeTable {
  private readonly tasks: PlotTaskQueries;
  private readonly shown: ShownTasks;
  private readonly upToDate: () => Promise<void>;
  private readonly answers = new WholeAnswers('ask for pages with plot_task_list');

  /** @param upToDate resolves once the table holds all that this node has acknowledged */
  constructor(tasks: PlotTaskQueries, shown: ShownTasks, upToDate: () => Promise<void>) {
    this.tasks = tasks;
    this.shown = shown;
    this.upToDate = upToDate;
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
    return this.answers.ask(JSON.stringify([field, filter]), over, async (gone) => {
      await this.upToDate();
      const slices = new Slices();
      const parts: Buffer[] = [];
      let pieces = [...before];
      const putTogether = () => {
        parts.push(Buffer.concat(pieces));
        pieces = [];
      };
      for (const window of windowsOf(this.tasks, filter)) {
        for (const head of this.tasks.heads(filter, window)) {
          const message = this.shown.encodedFrom(head);
          if (message !== undefined) pieces.push(...messageField(field, message));
          if (pieces.length >= MOST_PIECES) putTogether();
          if (slices.isOver()) await slices.next(gone);
        }
        if (slices.isOver()) await slices.next(gone);
      }
      putTogether();
      return Buffer.concat(parts);
    });
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
