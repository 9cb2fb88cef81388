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
import type { Cli } from '../../../cli/system.js';
import type { Terminal } from '../../../cli/terminal.js';
import { ChangeLines, LiveTable, type WatchView, type WatchWords } from '../../../cli/watch-view.js';
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

const WORDS: WatchWords<PlotTaskChange, PlotTaskStatus> = {
  rowOf: ({ task }) => task,
  idOf: ({ task_id = '' }) => task_id,
  isGone: ({ gone = false }) => gone,
  goneChange: (task_id) => ({ task: { task_id }, gone: true }),
  lineOf: ({ task }) => (task?.status === undefined ? undefined : changeLine(task)),
  essenceOf: ({ update_time: _, ...task }) => changeLine(task),
  byInterest,
  columnsOf: (tasks, width) => taskColumns(Date.now(), idsToShow(tasks, width), width),
  nothing: 'no task to watch yet',
};
const FOR_PROGRAMS: typeof WORDS = {
  ...WORDS,
  lineOf: toJson,
  essenceOf: ({ seconds_left: _, ...task }) => toJson(task),
};

function viewOf({ out }: Terminal, { json = false }: WatchOptions): WatchView<PlotTaskChange> {
  if (json) return new ChangeLines(out, FOR_PROGRAMS);
  return out.isTerminal ? new LiveTable(out, WORDS) : new ChangeLines(out, WORDS);
}
