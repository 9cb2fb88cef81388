/**
 * `owl workload job logs`: what the program of a job printed, and prints: the node asks the pilot for it while it runs.
 * Guarantee: each byte is printed once, in order, whatever comes in pieces; what is followed ends with the log's end.
 */

import { StringDecoder } from 'node:string_decoder';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { OwlError } from '../../../base/errors.js';
import { isTransient } from '../../../base/failure-kinds.js';
import { wholeNumber } from '../../../cli/arguments.js';
import { ID_HELP } from '../../../cli/entity-commands.js';
import { printable } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import type { JobLog, JobLogRequest } from '../wire/messages.js';
import type { WorkloadClient } from '../wire/workload-client.js';
import { OVER } from './view-parts.js';
import { withWorkload } from './with-workload.js';

const LOOK_EVERY_MS = 500;
const PIECE_BYTES = 1024 * 1024;
const INT32 = 2 ** 31 - 1;

interface LogsOptions extends GlobalOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
  readonly tail?: number;
}

export function addLogsCommand(job: Command, cli: Cli): void {
  const logs = job
    .command('logs')
    .summary('show what the program of a job prints')
    .description(
      'Shows the log of a job: what its program printed, on stdout and stderr. While it runs its pilot is asked for it.',
    )
    .argument('<ID>', `the job: ${ID_HELP}`)
    .option('-f, --follow', 'go on until the program has ended; wait for one that has yet to start')
    .option('--attempt <N>', 'that attempt of the job (default: the last one)', wholeNumber(1, INT32))
    .option('--tail <BYTES>', 'only so much of its end', wholeNumber(1, INT32));
  addExamples(logs, [
    ['owl workload job logs 120', 'all it has printed'],
    ['owl workload job logs 120 -f', 'and what it prints from now on, until it ends'],
    ['owl workload job logs 120 --attempt 1', 'what went wrong the first time'],
  ]);
  logs.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<LogsOptions>();
    await withWorkload(cli, options, (client) => showLog(cli, options, client, id));
  });
}

async function showLog(cli: Cli, options: LogsOptions, client: WorkloadClient, id: string): Promise<void> {
  const { follow = false, attempt, tail } = options;
  const print = printer(cli);
  const waiting = new Waiting(cli);
  const ended = AbortSignal.any([cli.interrupted, cli.out.closed]);
  let next: JobLogRequest = {
    ...{ id, offset: tail === undefined ? 0 : -tail, length: PIECE_BYTES },
    ...(attempt !== undefined && { attempt }),
  };
  while (!ended.aborted) {
    const piece = follow ? await pieceOrNone(cli, client, next, waiting) : await client.jobLog(next);
    const { content = Buffer.alloc(0), offset = 0, complete = false } = piece ?? {};
    await print(content);
    if (piece !== undefined) {
      const { attempt: read } = piece;
      next = { ...next, offset: offset + content.length, ...(read !== undefined && { attempt: read }) };
    }
    const isAll = content.length === 0 || offset + content.length >= (piece?.size ?? 0);
    if (isAll && (!follow || complete)) return await print();
    if (isAll) await pause(LOOK_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
  }
  throw new OwlError('unavailable', 'the log was not shown to its end');
}

/** Undefined while there is none yet: it has not started, or pilot or node are away. */
async function pieceOrNone(
  cli: Cli,
  client: WorkloadClient,
  request: JobLogRequest,
  waiting: Waiting,
): Promise<JobLog | undefined> {
  try {
    const piece = await client.jobLog(request);
    waiting.isKnown = true;
    return piece;
  } catch (error) {
    if (!(error instanceof OwlError) || cli.interrupted.aborted) throw error;
    if (isTransient(error) && waiting.isKnown) {
      await waiting.tell(error.message);
      return undefined;
    }
    if (error.kind !== 'not_found') throw error;
    // A job that is over gets no log any more, and one that there is not is told so.
    const { job_id = 0, state = '', remarks = '' } = await client.job({ id: request.id ?? '' });
    if (OVER.has(state)) throw error;
    waiting.isKnown = true;
    await waiting.tell(`job ${job_id} is ${state}${remarks === '' ? '' : `: ${remarks}`}`);
    return undefined;
  }
}

/** What is told while a log is waited for: once, and why. */
class Waiting {
  /** The node has answered: from then on it is waited for, too. */
  isKnown = false;
  private readonly cli: Cli;
  private isTold = false;

  constructor(cli: Cli) {
    this.cli = cli;
  }

  async tell(why: string): Promise<void> {
    if (!this.isTold) await this.cli.err.line(`${why}; its log follows`);
    this.isTold = true;
  }
}

/** On a terminal nothing that was printed moves the cursor; elsewhere bytes stay what they are as far as they are text. */
function printer({ out }: Cli): (content?: Buffer) => Promise<void> {
  const decoder = new StringDecoder('utf8');
  return async (content) => {
    const text = content === undefined ? decoder.end() : decoder.write(content);
    if (text === '') return;
    await out.write(out.isTerminal ? text.split('\n').map(printable).join('\n') : text);
  };
}
