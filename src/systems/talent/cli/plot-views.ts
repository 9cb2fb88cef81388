/** `owl plot status | list | history`: what is known of tasks. Nothing here changes anything. */

import type { Command } from 'commander';
import { pointInTime, severalOf, wholeNumber } from '../../../cli/arguments.js';
import { UsageError } from '../../../cli/exit.js';
import { toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { printJsonArray, printTable } from '../../../cli/lists.js';
import { ShownIds } from '../../../cli/short-ids.js';
import type { Cli } from '../../../cli/system.js';
import { type Column, renderTable } from '../../../cli/table.js';
import type { Terminal } from '../../../cli/terminal.js';
import type { PlotTaskEventMessage, PlotTaskListRequest, PlotTaskStatus } from '../wire/messages.js';
import type { PlotManagerClient } from '../wire/plot-manager-client.js';
import { historyColumns } from './history-view.js';
import { resolveTaskId } from './task-ids.js';
import { idsToShow, TASK_STATUSES, taskCard, taskColumns } from './task-views.js';
import { withTalent } from './with-talent.js';

const STATUS_HELP = `only tasks in this status, may be given several times (${TASK_STATUSES.join(', ')})`;

interface StatusOptions extends GlobalOptions {
  readonly status?: string[];
}

interface ListOptions extends StatusOptions {
  readonly worker?: string;
  readonly cache?: string;
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
  readonly oldestFirst?: boolean;
}

export function addViewCommands(plot: Command, terminal: Cli): void {
  const status = plot
    .command('status')
    .summary('show one task, or all in a status')
    .description(
      'Shows everything about one task; without an id, a table of all tasks, or of those in a status.',
    )
    .argument('[ID]', 'the task, by its id or a beginning that no other has')
    .option('--status <STATUS>', STATUS_HELP, severalOf(TASK_STATUSES));
  addExamples(status, [
    ['owl plot status task_3f2a', 'everything about the one task that begins so'],
    ['owl plot status --status running', 'all that run'],
    ['owl plot status task_3f2a --json', 'the raw values, for a program'],
  ]);
  status.action(async (id: string | undefined, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<StatusOptions>();
    if (id === undefined) return await listTasks(terminal, options);
    if (options.status !== undefined) throw new UsageError('give an id or --status, not both');
    return await showTask(terminal, options, id);
  });

  const now = Date.now();
  const list = plot
    .command('list')
    .summary('list tasks')
    .description('Lists tasks, newest first; all there are unless filters or --limit say otherwise.')
    .option('--status <STATUS>', STATUS_HELP, severalOf(TASK_STATUSES))
    .option('--worker <ID>', 'only tasks for this worker')
    .option('--cache <DIR>', 'only tasks with this temporary directory, as first or second')
    .option(
      '--since <TIME>',
      'created at or after: 2h (ago), 3d, 2026-03-09, "2026-03-09 14:00"',
      pointInTime(now),
    )
    .option('--until <TIME>', 'created before', pointInTime(now))
    .option('--limit <N>', 'at most so many', wholeNumber(1, 1_000_000_000))
    .option('--oldest-first', 'in the order they were created');
  addExamples(list, [
    ['owl plot list --limit 20', 'the newest twenty'],
    ['owl plot list --status failed --since 1d', 'what failed of the last day'],
    ['owl plot list --json | jq -r ".[].task_id"', 'the whole ids of all, for a program'],
  ]);
  list.action(async (_options: unknown, self: Command) => {
    await listTasks(terminal, self.optsWithGlobals<ListOptions>());
  });

  const history = plot
    .command('history')
    .summary("show a task's history")
    .description(
      'Shows what happened to a task, oldest first: every event with its time and what it changed.',
    )
    .argument('<ID>', 'the task, by its id or a beginning that no other has');
  addExamples(history, [
    ['owl plot history task_3f2a', 'as a table'],
    ['owl plot history task_3f2a --json', 'one JSON object a line, with ids, causes and whole data'],
  ]);
  history.action(async (id: string, _options: unknown, self: Command) => {
    await showHistory(terminal, self.optsWithGlobals<GlobalOptions>(), id);
  });
}

async function showTask(terminal: Cli, options: GlobalOptions, beginning: string): Promise<void> {
  const { out } = terminal;
  await withTalent(terminal, options, async (talent) => {
    const task = await talent.status({ task_id: await resolveTaskId(talent, beginning) });
    if (options.json) await out.line(toJson(task));
    else await out.write(taskCard(task, out));
  });
}

async function listTasks(terminal: Cli, options: ListOptions): Promise<void> {
  const { status, worker, cache, since, until } = options;
  const filter: PlotTaskListRequest = {
    ...(status !== undefined && { statuses: status }),
    ...(worker !== undefined && { worker_id: worker }),
    ...(cache !== undefined && { cache }),
    ...(since !== undefined && { created_from: since }),
    ...(until !== undefined && { created_before: until }),
  };
  const pagesOf = (talent: PlotManagerClient): AsyncGenerator<PlotTaskStatus[]> =>
    talent.pages({ ...filter, newest_first: options.oldestFirst !== true }, options.limit);
  await withTalent(terminal, options, async (talent) => {
    if (options.json) {
      await printJsonArray(terminal, pagesOf(talent));
    } else if (!(await printTable(terminal, pagesOf(talent), pageColumns(terminal)))) {
      const isFiltered = Object.keys(filter).length > 0;
      await terminal.err.line(
        isFiltered
          ? 'no task matches'
          : 'there is no task yet; order one with `owl plot create --cache1 DIR --dest-path DIR`',
      );
    }
  });
}

function pageColumns({ out }: Terminal): (tasks: readonly PlotTaskStatus[]) => Column<PlotTaskStatus>[] {
  const shown = new ShownIds();
  return (tasks) => taskColumns(Date.now(), shown.add(idsToShow(tasks, out.width)), out.width);
}

async function showHistory(terminal: Cli, options: GlobalOptions, beginning: string): Promise<void> {
  const { out } = terminal;
  await withTalent(terminal, options, async (talent) => {
    const taskId = await resolveTaskId(talent, beginning);
    const events: PlotTaskEventMessage[] = [];
    for await (const event of talent.history({ task_id: taskId })) {
      if (options.json) await out.line(toJson(event));
      else events.push(event);
    }
    if (!options.json) await out.write(renderTable(historyColumns(out.width), events, out));
  });
}
