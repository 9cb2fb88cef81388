/** `owl workload job why`: in sentences, why a job waits or how it came to what it is. */

import type { Command } from 'commander';
import { ID_HELP } from '../../../cli/entity-commands.js';
import { formatAge, formatDuration, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import type { Job, Task } from '../wire/messages.js';
import { attemptsLine, failureLine } from './job-view.js';
import { withWorkload } from './with-workload.js';

export function addWhyCommand(job: Command, cli: Cli): void {
  const why = job
    .command('why')
    .summary('say why a job waits, or how it ended')
    .description(
      'Says in sentences why a job waits, where it runs, or how it ended; and the same of its task.',
    )
    .argument('<ID>', `the job: ${ID_HELP}`);
  addExamples(why, [['owl workload job why 120', 'for how long, and for what']]);
  why.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const shown = await client.job({ id });
      const task = shown.task === undefined ? undefined : await client.task({ id: shown.task });
      if (options.json) await cli.out.line(toJson({ job: shown, task }));
      else for (const line of reasons(shown, task, Date.now())) await cli.out.line(line);
    });
  });
}

/** @param nowMs what ages count from */
export function reasons(job: Job, task: Task | undefined, nowMs: number): string[] {
  const { job_id = 0, state = '', remarks = '' } = job;
  const attempts = state === 'finished' ? '' : attemptsLine(job);
  const failure = failureLine(job);
  return [
    `job ${job_id} is ${state}${sinceText(job, nowMs)}${remarks === '' ? '' : `: ${remarks}`}`,
    failure === '' ? '' : `its last failure: ${failure}`,
    attempts === '' ? '' : `attempts: ${attempts}`,
    task === undefined ? '' : taskReason(task),
  ].filter((line) => line !== '');
}

function sinceText(job: Job, nowMs: number): string {
  const { state, create_time, queued_time, claimed_time, time_start, time_end, pilot = '' } = job;
  const on = pilot === '' ? '' : ` on ${pilot}`;
  if (state === 'created') return `, not queued yet, for ${formatAge(create_time, nowMs)}`;
  if (state === 'queued') return ` for ${formatAge(queued_time, nowMs)}`;
  if (state === 'staging') return `${on} for ${formatAge(claimed_time, nowMs)}`;
  if (state === 'running') return `${on} for ${formatAge(time_start, nowMs)}`;
  if (time_start === undefined || time_end === undefined) return on;
  return `${on}, after ${formatDuration(time_end - time_start)}`;
}

function taskReason({ task_id = 0, state = '', held, remarks = '' }: Task): string {
  return `its task ${task_id} is ${held ? `${state}, held` : state}${remarks === '' ? '' : `: ${remarks}`}`;
}
