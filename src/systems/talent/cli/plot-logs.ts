/**
 * `owl plot logs`: what a plotter of this machine has printed, and prints. It is read from files, so it also works while
 * talent or the supervisor are away, and for plots that ended long ago. Talent is asked only which task a beginning means.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { systemClock } from '../../../base/clock.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import { wholeNumber } from '../../../cli/arguments.js';
import { printable, toJson } from '../../../cli/format.js';
import { configOf, type GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import type { Terminal } from '../../../cli/terminal.js';
import { SERVER_VARIABLE } from '../../../node/config/config.js';
import { LogFollower } from '../../../processes/logs/log-follower.js';
import type { PlotKey, PlotRecords } from '../machine/plot-record.js';
import { TalentDirectory } from '../machine/talent-directory.js';
import type { SupervisorState } from '../supervisor/control.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { findLog, untilBegun } from './local-logs.js';
import { resolveTaskId } from './task-ids.js';
import { withTalent } from './with-talent.js';

const LOOK_EVERY_MS = 200;
const INT32 = 2 ** 31 - 1;

interface LogsOptions extends GlobalOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
  readonly data?: string;
}

export function addLogsCommand(plot: Command, terminal: Cli): void {
  const logs = plot
    .command('logs')
    .summary('show what the plotter of a task prints')
    .description(
      'Shows the log of a task that ran or runs on this machine: what its plotter printed, without colours and cursor ' +
        'movements. It is read from the data directory of the supervisor; the talent is asked only which task it is, where ' +
        'the id is not given whole.',
    )
    .argument('<ID>', 'the task, by its id or a beginning that no other has')
    .option('-f, --follow', 'go on until the plotter has ended; wait for one that has yet to start')
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

async function showLog(terminal: Cli, options: LogsOptions, beginning: string): Promise<void> {
  const { out, err, interrupted } = terminal;
  const { follow = false, attempt } = options;
  const { config } = configOf(terminal, options, { data: options.data });
  const machine = new TalentDirectory(config.data);
  const ended = AbortSignal.any([interrupted, out.closed]);
  const key = await findLog(machine, { beginning, attempt, mayWait: follow }, (text, supervisor) =>
    askTalent(terminal, options, text, supervisor),
  );
  if (follow) await untilBegun(machine, key, ended, (why) => err.line(`${why}; its log follows`));

  const follower = new LogFollower({ path: machine.plots.logPathOf(key), clock: systemClock, signal: ended });
  const shown = new AbortController();
  const over = follow
    ? untilOver(machine.plots, key, AbortSignal.any([ended, shown.signal]))
    : Promise.resolve();
  const [showing, finishing] = await Promise.allSettled([
    print(terminal, options, follower).finally(() => shown.abort()),
    over.finally(() => follower.finish()),
  ]);
  for (const part of [showing, finishing]) if (part.status === 'rejected') throw part.reason;
  if (interrupted.aborted) throw new OwlError('unavailable', 'the log was not shown to its end');
}

/** That of the supervisor which made the logs, unless another one is named. */
async function askTalent(
  terminal: Cli,
  options: LogsOptions,
  text: string,
  supervisor: SupervisorState | undefined,
): Promise<PlotTaskStatus> {
  const isNamed = options.server !== undefined || terminal.env[SERVER_VARIABLE] !== undefined;
  const server = isNamed ? options.server : supervisor?.server;
  return await withTalent(terminal, server === undefined ? options : { ...options, server }, async (talent) =>
    talent.status({ task_id: await resolveTaskId(talent, text) }),
  );
}

async function print({ out }: Terminal, { json }: LogsOptions, follower: LogFollower): Promise<void> {
  for await (const { lines } of follower) {
    const texts = lines.map((line) => {
      if (json) return toJson(line);
      return out.isTerminal ? printable(line.text) : line.text;
    });
    await out.write(`${texts.join('\n')}\n`);
  }
}

/**
 * Nobody writes any more once the plotter's end is recorded, and its record goes when it is settled.
 * @throws OwlError kind `invalid` when what is recorded can't be read
 */
async function untilOver(plots: PlotRecords, key: PlotKey, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !isOver(plots, key)) {
    await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

function isOver(plots: PlotRecords, key: PlotKey): boolean {
  try {
    return plots.read(key) === undefined || plots.readEnd(key) !== null;
  } catch (error) {
    throw new OwlError(
      'invalid',
      `nobody can tell whether the plotter of ${key.task_id} still runs: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
