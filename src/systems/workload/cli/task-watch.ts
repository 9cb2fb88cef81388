/**
 * `owl workload task watch`: tasks as they change, until the user has seen enough or, with --until-over, until they are over.
 * Guarantees: it outlives a restart of the node; what is printed to a pipe has changed (see watch-view.ts).
 */

import type { Command } from 'commander';
import { OwlError } from '../../../base/errors.js';
import { severalOf } from '../../../cli/arguments.js';
import { ID_HELP } from '../../../cli/entity-commands.js';
import { UsageError } from '../../../cli/exit.js';
import { followThroughOutages } from '../../../cli/follow.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import { ChangeLines, LiveTable, type WatchView } from '../../../cli/watch-view.js';
import { NODE } from '../wire/called.js';
import type { Task } from '../wire/messages.js';
import type { WorkloadClient } from '../wire/workload-client.js';
import { taskWords } from './task-view.js';
import { OVER, TASK_STATES } from './view-parts.js';
import { withWorkload } from './with-workload.js';

interface WatchOptions extends GlobalOptions {
  readonly status?: string[];
  readonly untilOver?: boolean;
}

export function addWatchCommand(task: Command, cli: Cli): void {
  const watch = task
    .command('watch')
    .summary('follow tasks as they change')
    .description(
      'Shows tasks as they are and then each change, until it is interrupted (exit code 130) or, with --until-over, until ' +
        'all of them are over; a restart of the node is waited for.',
    )
    .argument('[ID...]', `only these, each by ${ID_HELP}`)
    .option(
      '--status <STATUS>',
      `only tasks in this status, may be given several times (${TASK_STATES.join(', ')})`,
      severalOf(TASK_STATES),
    )
    .option('--until-over', 'end when they are over, with 0 when all of them are finished, else with 1');
  addExamples(watch, [
    ['owl workload task watch', 'a live table of all tasks'],
    ['owl workload task watch 7 --until-over && echo done', 'waits for one'],
    ['owl workload task watch --json', 'one JSON object a line for each change, for a program'],
  ]);
  watch.action(async (ids: string[], _options: unknown, self: Command) => {
    await watchTasks(cli, self.optsWithGlobals<WatchOptions>(), ids);
  });
}

async function watchTasks(cli: Cli, options: WatchOptions, ids: readonly string[]): Promise<void> {
  // Nobody knows which ones are still to come.
  if (options.untilOver === true && ids.length === 0)
    throw new UsageError('--until-over wants the tasks to wait for');
  await withWorkload(cli, options, async (client) => {
    const wanted = new Map<string, Task>();
    for (const id of ids) {
      const task = await client.task({ id });
      wanted.set(task.uid ?? '', task);
    }
    const seen = new Watched(wanted, options);
    const view = viewOf(cli, options, seen);
    try {
      await watchThrough(cli, client, seen, view);
    } finally {
      await view.end();
    }
    if (!seen.isOver) throw new OwlError('unavailable', 'the watch was interrupted');
    const unfinished = [...seen.tasks.values()].filter(({ state }) => state !== 'finished');
    if (unfinished.length > 0) throw notFinished(unfinished);
  });
}

/** Until it is interrupted, or all are over that were to be waited for. */
async function watchThrough(
  cli: Cli,
  client: WorkloadClient,
  seen: Watched,
  view: WatchView<Task>,
): Promise<void> {
  const enough = new AbortController();
  const interrupted = AbortSignal.any([cli.interrupted, enough.signal]);
  await followThroughOutages(
    { ...cli, interrupted },
    {
      called: NODE,
      open: () => client.watch({}, enough.signal),
      take: async (task) => {
        if (!seen.concerns(task)) return;
        await view.take(task);
        if (seen.isOver) enough.abort();
      },
      brokenOff: () => view.brokenOff(),
    },
  );
}

/** Which tasks are watched, and how they are. */
class Watched {
  readonly tasks: Map<string, Task>;
  /** Named ones that were not told yet, as they are by now. */
  private readonly untold: Set<string>;
  private readonly named: boolean;
  private readonly statuses: readonly string[];
  private readonly untilOver: boolean;

  constructor(named: Map<string, Task>, { status = [], untilOver = false }: WatchOptions) {
    this.tasks = named;
    this.untold = new Set(named.keys());
    this.named = named.size > 0;
    this.statuses = status;
    this.untilOver = untilOver;
  }

  concerns(task: Task): boolean {
    const { uid = '' } = task;
    const isKnown = this.tasks.has(uid);
    if (this.named && !isKnown) return false;
    if (!this.named && !isKnown && !this.matches(task)) return false;
    this.tasks.set(uid, task);
    this.untold.delete(uid);
    return true;
  }

  /** What is watched may cease to match, and then is not shown. */
  matches({ state = '' }: Task): boolean {
    return this.statuses.length === 0 || this.statuses.includes(state);
  }

  get isOver(): boolean {
    if (!this.untilOver || this.untold.size > 0) return false;
    return [...this.tasks.values()].every(({ state = '' }) => OVER.has(state));
  }
}

function viewOf({ out }: Cli, { json = false }: WatchOptions, seen: Watched): WatchView<Task> {
  const words = taskWords(json, (task) => seen.matches(task));
  return json || !out.isTerminal ? new ChangeLines(out, words) : new LiveTable(out, words);
}

function notFinished(tasks: readonly Task[]): OwlError {
  const [{ task_id = 0, state = '', remarks = '' } = {}, ...others] = tasks;
  const why = remarks === '' ? '' : `: ${remarks}`;
  const more = others.length === 0 ? '' : ` (and ${others.length} more did not finish)`;
  return new OwlError('refused', `task ${task_id} is ${state}${why}${more}`);
}
