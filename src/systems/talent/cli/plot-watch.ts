/**
 * `owl plot watch`: tasks as they change, until the user has seen enough. On a terminal a table that is drawn anew, at most
 * ten times a second however fast tasks change; elsewhere a line for each change, or a JSON object with --json.
 */

import type { Command } from 'commander';
import { severalOf } from '../../../cli/arguments.js';
import { toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { LiveArea } from '../../../cli/live-area.js';
import type { Cli } from '../../../cli/system.js';
import { renderTable } from '../../../cli/table.js';
import type { Output } from '../../../cli/terminal.js';
import { UnreachableError } from '../../../wire/call-error.js';
import type { PlotTaskStatus, PlotTaskWatchRequest } from '../wire/messages.js';
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
    .description('Shows tasks as they are and then each change, until it is interrupted (exit code 130).')
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
  const { out } = terminal;
  const { status, worker } = options;
  await withTalent(terminal, options, async (talent) => {
    const taskIds: string[] = [];
    for (const beginning of beginnings) taskIds.push(await resolveTaskId(talent, beginning));
    const request: PlotTaskWatchRequest = {
      task_ids: taskIds,
      ...(status !== undefined && { statuses: status }),
      ...(worker !== undefined && { worker_id: worker }),
    };
    const live = out.isTerminal && !options.json ? new LiveTable(out) : undefined;
    try {
      for await (const change of talent.watch(request)) {
        const { task, gone = false } = change;
        if (options.json) await out.line(toJson(change));
        else if (live !== undefined) live.take(task, gone);
        else if (task !== undefined) await out.line(changeLine(task));
      }
    } finally {
      await live?.end();
    }
    throw new UnreachableError('the talent has ended the watch; it is stopping', false);
  });
}

/** The tasks that are watched. */
class LiveTable {
  private readonly out: Output;
  private readonly tasks = new Map<string, PlotTaskStatus>();
  private readonly area: LiveArea;

  constructor(out: Output) {
    this.out = out;
    this.area = new LiveArea(out, () => this.render());
  }

  /** @param task undefined when all that was there has come: an empty table is worth saying so */
  take(task: PlotTaskStatus | undefined, gone: boolean): void {
    const id = task?.task_id ?? '';
    if (gone) this.tasks.delete(id);
    else if (task !== undefined) this.tasks.set(id, task);
    this.area.touch();
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
