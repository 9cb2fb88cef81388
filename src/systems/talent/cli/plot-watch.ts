/**
 * `owl plot watch`: tasks as they change, until the user has seen enough. On a terminal a table that is drawn anew, at most
 * ten times a second however fast tasks change; elsewhere a line for each change, or a JSON object with --json.
 *
 * Guarantees: it outlives a restart of talent; what is printed to a pipe has changed: a line says something that the one before
 * of the task did not, and what is known already is not told again after an outage.
 */

import type { Command } from 'commander';
import { OwlError } from '../../../base/errors.js';
import { severalOf } from '../../../cli/arguments.js';
import { followThroughOutages } from '../../../cli/follow.js';
import { toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { LiveArea } from '../../../cli/live-area.js';
import type { Cli } from '../../../cli/system.js';
import { renderTable } from '../../../cli/table.js';
import type { Output, Terminal } from '../../../cli/terminal.js';
import { TALENT } from '../wire/called.js';
import type { PlotTaskChange, PlotTaskStatus, PlotTaskWatchRequest } from '../wire/messages.js';
import { resolveTaskId } from './task-ids.js';
import { byInterest, changeLine, idsToShow, TASK_STATUSES, taskColumns } from './task-views.js';
import { withTalent } from './with-talent.js';

interface WatchOptions extends GlobalOptions {
  readonly status?: string[];
  readonly worker?: string;
}

export function addWatchCommand(plot: Command, terminal: Cli): void {
  const watch = plot
    .command('watch')
    .summary('follow tasks as they change')
    .description(
      'Shows tasks as they are and then each change, until it is interrupted (exit code 130); a restart of the talent is ' +
        'waited for.',
    )
    .argument('[ID...]', 'only these, each by its id or a beginning that no other has')
    .option(
      '--status <STATUS>',
      `only tasks in this status, may be given several times (${TASK_STATUSES.join(', ')})`,
      severalOf(TASK_STATUSES),
    )
    .option('--worker <ID>', 'only tasks for this worker');
  addExamples(watch, [
    ['owl plot watch', 'a live table of all tasks'],
    ['owl plot watch task_3f2a', 'one task'],
    ['owl plot watch --status running --json', 'one JSON object a line for each change, for a program'],
  ]);
  watch.action(async (ids: string[], _options: unknown, self: Command) => {
    await watchTasks(terminal, self.optsWithGlobals<WatchOptions>(), ids);
  });
}

async function watchTasks(
  terminal: Cli,
  options: WatchOptions,
  beginnings: readonly string[],
): Promise<void> {
  const { status, worker } = options;
  await withTalent(terminal, options, async (talent) => {
    const taskIds: string[] = [];
    for (const beginning of beginnings) taskIds.push(await resolveTaskId(talent, beginning));
    const request: PlotTaskWatchRequest = {
      task_ids: taskIds,
      ...(status !== undefined && { statuses: status }),
      ...(worker !== undefined && { worker_id: worker }),
    };
    const view = viewOf(terminal, options);
    try {
      await followThroughOutages(terminal, {
        called: TALENT,
        open: () => talent.watch(request),
        take: (change) => view.take(change),
        brokenOff: () => view.brokenOff(),
      });
    } finally {
      await view.end();
    }
    throw new OwlError('unavailable', 'the watch was interrupted');
  });
}

interface WatchView {
  take(change: PlotTaskChange): Promise<void>;
  brokenOff(): void;
  end(): Promise<void>;
}

function viewOf({ out }: Terminal, { json = false }: WatchOptions): WatchView {
  if (json) return new Lines(out, toJson, ({ seconds_left: _, ...task }) => toJson(task));
  return out.isTerminal
    ? new LiveTable(out)
    : new Lines(out, textOf, ({ update_time: _, ...task }) => changeLine(task));
}

function textOf({ task }: PlotTaskChange): string | undefined {
  return task?.status === undefined ? undefined : changeLine(task);
}

/** A line for each change that says something new. */
class Lines implements WatchView {
  private readonly out: Output;
  private readonly lineOf: (change: PlotTaskChange) => string | undefined;
  private readonly essenceOf: (task: PlotTaskStatus) => string;
  /** Of each task what was said last, but for when. */
  private readonly said = new Map<string, string>();
  /** After an outage: those that have not come again yet. */
  private missing: Set<string> | undefined;

  constructor(
    out: Output,
    lineOf: (change: PlotTaskChange) => string | undefined,
    essenceOf: (task: PlotTaskStatus) => string,
  ) {
    this.out = out;
    this.lineOf = lineOf;
    this.essenceOf = essenceOf;
  }

  async take(change: PlotTaskChange): Promise<void> {
    const { task, gone = false } = change;
    const id = task?.task_id ?? '';
    this.missing?.delete(id);
    if (task === undefined) return await this.takeEndOfBeginning(change);
    const essence = this.essenceOf(task);
    const isNew = this.said.get(id) !== essence || gone;
    if (gone) this.said.delete(id);
    else this.said.set(id, essence);
    if (isNew) await this.write(change);
  }

  brokenOff(): void {
    this.missing = new Set(this.said.keys());
  }

  async end(): Promise<void> {}

  /** All that is there has come: what has not, has ceased to match meanwhile. */
  private async takeEndOfBeginning(change: PlotTaskChange): Promise<void> {
    const { missing } = this;
    if (missing === undefined) return await this.write(change);
    this.missing = undefined;
    for (const id of missing) {
      this.said.delete(id);
      await this.write({ task: { task_id: id }, gone: true });
    }
  }

  private async write(change: PlotTaskChange): Promise<void> {
    const line = this.lineOf(change);
    if (line !== undefined) await this.out.line(line);
  }
}

/** The tasks that are watched. */
class LiveTable implements WatchView {
  private readonly out: Output;
  private readonly tasks = new Map<string, PlotTaskStatus>();
  private readonly area: LiveArea;
  private isAnew = false;

  constructor(out: Output) {
    this.out = out;
    this.area = new LiveArea(out, () => this.render());
  }

  /** Without a task when all that was there has come: an empty table is worth saying so. */
  async take({ task, gone = false }: PlotTaskChange): Promise<void> {
    if (this.isAnew) this.tasks.clear();
    this.isAnew = false;
    const id = task?.task_id ?? '';
    if (gone) this.tasks.delete(id);
    else if (task !== undefined) this.tasks.set(id, task);
    this.area.touch();
  }

  /** What is there comes again, and what is not does not. */
  brokenOff(): void {
    this.isAnew = true;
  }

  end(): Promise<void> {
    return this.area.end();
  }

  /** What fits the screen, the most interesting first. */
  private render(): string {
    const { out, tasks } = this;
    if (tasks.size === 0) return 'no task to watch yet\n';
    const ordered = [...tasks.values()].sort(byInterest);
    // One line for the titles, one for what is left out, one for the cursor.
    const fitting = ordered.slice(0, Math.max(1, out.height - 3));
    const columns = taskColumns(Date.now(), idsToShow(ordered, out.width), out.width);
    const table = renderTable(columns, fitting, { width: out.width - 1, hasColour: out.hasColour });
    const left = ordered.length - fitting.length;
    return left === 0 ? table : `${table}… and ${left} more\n`;
  }
}
