/**
 * `owl plot logs`: what a plotter of this machine has printed, and prints. Reads files only, so it also works while talent
 * is away, and for plots that ended long ago.
 */

import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { LogFollower } from '../../log-receiver/log-follower.js';
import { systemClock } from '../../runtime/clock.js';
import { OwlError } from '../../runtime/errors.js';
import { systemErrorCode } from '../../runtime/system-error.js';
import { type PlotKey, plotLogPath, readPlotEnd, readPlotRecord } from '../../wire/plot-record.js';
import { wholeNumber } from '../arguments.js';
import { printable, toJson } from '../format.js';
import { configOf, type GlobalOptions } from '../globals.js';
import { addExamples } from '../help.js';
import { resolveTaskId } from '../ids.js';
import type { Terminal } from '../terminal.js';

const LOOK_EVERY_MS = 200;
const INT32 = 2 ** 31 - 1;

interface LogsOptions extends GlobalOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
  readonly data?: string;
}

export function addLogsCommand(plot: Command, terminal: Terminal): void {
  const logs = plot
    .command('logs')
    .summary('show what the plotter of a task prints')
    .description(
      'Shows the log of a task that ran or runs on this machine: what its plotter printed, without colours and cursor ' +
        'movements. It is read from the data directory of the supervisor; no talent is asked.',
    )
    .argument('<ID>', 'the task, by its id or a beginning that no other has')
    .option('-f, --follow', 'go on until the plotter has ended')
    .option('--attempt <N>', 'that attempt of the task (default: the last one)', wholeNumber(1, INT32))
    .option('--data <DIR>', 'the data directory of the supervisor (env: OWL_DATA; default: ./data)');
  addExamples(logs, [
    ['owl plot logs task_3f2a', 'all it has printed'],
    ['owl plot logs task_3f2a -f', 'and what it prints from now on, until it ends'],
    ['owl plot logs task_3f2a --attempt 1', 'what went wrong the first time'],
  ]);
  logs.action(async (id: string, _options: unknown, self: Command) => {
    await showLog(terminal, self.optsWithGlobals<LogsOptions>(), id);
  });
}

async function showLog(terminal: Terminal, options: LogsOptions, beginning: string): Promise<void> {
  const { out, interrupted } = terminal;
  const { config } = configOf(terminal, options, { data: options.data });
  const key = await findLog(config.data, beginning, options.attempt);
  const path = plotLogPath(config.data, key);
  const ended = AbortSignal.any([interrupted, out.closed]);
  const follower = new LogFollower({ path, clock: systemClock, signal: ended });
  const watching = new AbortController();
  const finishing =
    options.follow === true
      ? finishAtEnd(config.data, key, follower, AbortSignal.any([ended, watching.signal]))
      : follower.finish();
  try {
    for await (const { lines } of follower) {
      const texts = lines.map((line) => {
        if (options.json) return toJson(line);
        return out.isTerminal ? printable(line.text) : line.text;
      });
      await out.write(`${texts.join('\n')}\n`);
    }
  } finally {
    watching.abort();
    await finishing;
  }
  if (interrupted.aborted) throw new OwlError('unavailable', 'the log was not shown to its end');
}

/** The attempt whose log it is. @throws OwlError kind `not_found` or `refused` naming what there is */
async function findLog(data: string, beginning: string, attempt: number | undefined): Promise<PlotKey> {
  const all = logsIn(data);
  const ids = [...new Set(all.map((key) => key.task_id))];
  const begins = (text = ''): string[] => ids.filter((id) => id.startsWith(text));
  if (begins(beginning).length === 0) {
    throw new OwlError(
      'not_found',
      `below ${data} there is no log of a task whose id begins with "${beginning}"; it ran on another machine, or with another --data`,
    );
  }
  const task_id = await resolveTaskId(
    {
      status: async ({ task_id = '' }) => ({ existed: ids.includes(task_id) }),
      list: async ({ task_id_prefix }) => ({ tasks: begins(task_id_prefix).map((id) => ({ task_id: id })) }),
    },
    beginning,
  );
  const attempts = all.filter((key) => key.task_id === task_id).map((key) => key.attempt);
  const wanted = attempt ?? Math.max(...attempts);
  if (attempts.includes(wanted)) return { task_id, attempt: wanted };
  throw new OwlError(
    'not_found',
    `there is no log of attempt ${wanted} of ${task_id}; there are those of ${attempts.sort((a, b) => a - b).join(', ')}`,
  );
}

function logsIn(data: string): PlotKey[] {
  const directory = dirname(plotLogPath(data, { task_id: 'any', attempt: 1 }));
  try {
    return readdirSync(directory).flatMap((name) => {
      const [, task_id, attempt] = /^(.+)\.([0-9]+)\.log$/.exec(name) ?? [];
      return task_id === undefined ? [] : { task_id, attempt: Number(attempt) };
    });
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Nobody writes any more once the plotter's end is recorded, and its record goes when it is settled. */
async function finishAtEnd(
  data: string,
  key: PlotKey,
  follower: LogFollower,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted && readPlotRecord(data, key) !== undefined && readPlotEnd(data, key) === null) {
    await pause(LOOK_EVERY_MS, undefined, { signal: over }).catch(() => undefined);
  }
  follower.finish();
}
