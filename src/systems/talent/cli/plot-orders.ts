/** `owl plot create | stop | fail | retry`: what an operator can have done to a task. Each prints the whole id of the task. */

import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { OwlError } from '../../../base/errors.js';
import { wholeNumber } from '../../../cli/arguments.js';
import { toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { sayIfUnknown } from '../../../cli/lost-answers.js';
import type { Cli } from '../../../cli/system.js';
import type { PlotTaskStatusResponse } from '../wire/messages.js';
import { resolveTaskId } from './task-ids.js';
import { withTalent } from './with-talent.js';

/** What the usual plotter of this size takes. */
const USUAL = { ksize: 32, threads: 2, buffer: 3389 };
const INT32 = 2 ** 31 - 1;

interface CreateOptions extends GlobalOptions {
  readonly ksize: number;
  readonly threads: number;
  readonly buffer: number;
  readonly cache1: string;
  readonly cache2?: string;
  readonly destType?: string;
  readonly destPath: string;
  readonly fpk?: string;
  readonly ppk?: string;
  readonly workerId?: string;
  readonly taskId?: string;
}

interface ReasonOptions extends GlobalOptions {
  readonly reason?: string;
  readonly force?: boolean;
}

export function addOrderCommands(plot: Command, terminal: Cli): void {
  const create = plot
    .command('create')
    .summary('order a plot')
    .description(
      'Orders a plot and prints the id of its task. Paths are those of the machine that will plot.',
    )
    .requiredOption('--cache1 <DIR>', 'temporary directory')
    .option('--cache2 <DIR>', 'second temporary directory (default: that of --cache1)')
    .requiredOption('--dest-path <DIR>', 'where the plot goes')
    .option('--dest-type <TYPE>', 'what the destination is: local or nfs (default: nfs)')
    .option('--ksize <K>', 'size of the plot', wholeNumber(1, INT32), USUAL.ksize)
    .option('--threads <N>', 'threads of the plotter', wholeNumber(1, INT32), USUAL.threads)
    .option('--buffer <MIB>', 'memory of the plotter', wholeNumber(1, INT32), USUAL.buffer)
    .option('--fpk <KEY>', 'public key of the farmer')
    .option('--ppk <KEY>', 'public key of the pool')
    .option('--worker-id <ID>', "whose machine it is for (default: the talent's own)")
    .option('--task-id <ID>', 'id of the task (default: task_ and a random UUID)');
  addExamples(create, [
    ['owl plot create --cache1 /ssd/tmp --dest-path /farm/1 --dest-type local', 'a k32 plot on this machine'],
    ['owl plot create --ksize 18 --cache1 /tmp/owl --dest-path /tmp/plots', 'a small one, to try things out'],
  ]);
  create.action(async (_options: unknown, self: Command) => {
    await createTask(terminal, self.optsWithGlobals<CreateOptions>());
  });

  addEndingCommands(plot, terminal);

  const retry = plot
    .command('retry')
    .summary('run a task that ended once more')
    .description('Makes a stopped, failed or finished task received again, as its next attempt.')
    .argument('<ID>', 'the task, by its id or a beginning that no other has')
    .option('--reason <TEXT>', 'why; it is kept in the history');
  addExamples(retry, [['owl plot retry task_3f2a', 'orders the same plot again under the same id']]);
  retry.action(async (id: string, _options: unknown, self: Command) => {
    await orderTask(terminal, self.optsWithGlobals<ReasonOptions>(), 'retry', id);
  });
}

function addEndingCommands(plot: Command, terminal: Cli): void {
  const stop = plot
    .command('stop')
    .summary('stop a task')
    .description(
      'Stops a task. One that has no process yet is stopped at once, others when their process is gone.',
    )
    .argument('<ID>', 'the task, by its id or a beginning that no other has')
    .option('--reason <TEXT>', 'why; it is kept in the history')
    .option('--force', 'at once, of a task whose supervisor holds no lease and will not hear of it');
  addExamples(stop, [
    ['owl plot stop task_3f2a --reason "disk is failing"', 'stops the one task that begins so'],
    ['owl plot stop task_3f2a --force', 'its machine is gone for good'],
  ]);
  stop.action(async (id: string, _options: unknown, self: Command) => {
    await orderTask(terminal, self.optsWithGlobals<ReasonOptions>(), 'stop', id);
  });

  const fail = plot
    .command('fail')
    .summary('call a task failed that nobody speaks of')
    .description(
      'Calls a task failed whose supervisor holds no lease, because its machine is gone or its supervisor is of before. ' +
        'Should the machine come back with the plot, it is ended there.',
    )
    .argument('<ID>', 'the task, by its id or a beginning that no other has')
    .requiredOption('--reason <TEXT>', 'why; it is kept in the history');
  addExamples(fail, [['owl plot fail task_3f2a --reason "the machine burned"', 'settles it']]);
  fail.action(async (id: string, _options: unknown, self: Command) => {
    await orderTask(terminal, self.optsWithGlobals<ReasonOptions>(), 'fail', id);
  });
}

async function createTask(terminal: Cli, options: CreateOptions): Promise<void> {
  const { ksize, threads, buffer, cache1, cache2, fpk, ppk, destType, destPath, workerId } = options;
  const taskId = options.taskId ?? `task_${randomUUID()}`;
  await withTalent(terminal, options, async (talent) => {
    const answer = await sayIfUnknown(`owl plot status ${taskId}`, () =>
      talent.create({
        task_id: taskId,
        ...(workerId !== undefined && { worker_id: workerId }),
        plot_config: {
          ksize,
          threads,
          buffer,
          cache1,
          dest: { path: destPath, ...(destType !== undefined && { type: destType }) },
          ...(cache2 !== undefined && { cache2 }),
          ...(fpk !== undefined && { fpk }),
          ...(ppk !== undefined && { ppk }),
        },
      }),
    );
    mustBeAccepted(answer);
    await terminal.out.line(options.json ? toJson({ task_id: taskId, ...answer }) : taskId);
    const { msg = '' } = answer;
    // There is more to say than that it was received.
    if (!options.json && msg.includes(';')) await terminal.err.line(`owl: ${msg}`);
  });
}

async function orderTask(
  terminal: Cli,
  options: ReasonOptions,
  order: 'stop' | 'retry' | 'fail',
  beginning: string,
): Promise<void> {
  const { reason, force = false } = options;
  await withTalent(terminal, options, async (talent) => {
    const taskId = await resolveTaskId(talent, beginning);
    const answer = await sayIfUnknown(`owl plot status ${taskId}`, () =>
      talent[order]({ task_id: taskId, ...(reason !== undefined && { reason }), ...(force && { force }) }),
    );
    mustBeAccepted(answer);
    await terminal.out.line(
      options.json ? toJson({ task_id: taskId, ...answer }) : `${taskId} ${answer.msg}`,
    );
  });
}

/** @throws OwlError kind `refused` with the talent's reason */
function mustBeAccepted({ is_success = false, msg = '' }: PlotTaskStatusResponse): void {
  if (!is_success) throw new OwlError('refused', msg === '' ? 'the talent refused without a reason' : msg);
}
