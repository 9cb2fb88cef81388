/** `owl workload job`: what became of the jobs of tasks, what they printed, and why they wait. */

import type { Command } from 'commander';
import {
  addListCommand,
  addOrderCommand,
  addShowCommand,
  ID_HELP,
  type ListOptions,
} from '../../../cli/entity-commands.js';
import type { Cli } from '../../../cli/system.js';
import { addHistory } from './history.js';
import { addLogsCommand } from './job-logs.js';
import { jobCard, jobColumns } from './job-view.js';
import { addWhyCommand } from './job-why.js';
import { JOB_STATES } from './view-parts.js';
import { entityWords, type WorkloadWords } from './with-workload.js';

interface JobListOptions extends ListOptions {
  readonly task?: string;
  readonly pilot?: string;
  readonly failure?: string;
}

export function addJobCommands(workload: Command, cli: Cli): void {
  const job = workload
    .command('job')
    .summary('look at the jobs of tasks, and at their logs')
    .description('Looks at jobs: what became of them, what they printed, why they wait.');
  const words = entityWords(cli, 'job');
  addList(job, words);
  addShowCommand(job, words, {
    description: 'Shows everything about one job, with what it read, wrote and logged.',
    examples: [['owl workload job show 120', 'by its number']],
    look: async (client, id) => {
      const shown = await client.job({ id });
      const { files = [] } = await client.jobFiles({ id });
      return { ...shown, files };
    },
    card: (row, layout) => jobCard(row, row.files, layout),
  });
  addHistory(job, words, 'job');
  addLogsCommand(job, cli);
  addWhyCommand(job, cli);
  addOrderCommand(job, words, {
    ...{ name: 'cancel', summary: 'cancel a job' },
    description:
      'Cancels a job. One that has no process yet is cancelled at once, others when their process is gone.',
    examples: [['owl workload job cancel 120 --reason "it hangs"', 'its task goes on']],
    give: (client, order) => client.orderJob('cancel', order),
  });
  addOrderCommand(job, words, {
    ...{ name: 'retry', summary: 'run a failed job again' },
    description: 'Makes a failed job wait again, as its next attempt.',
    examples: [['owl workload job retry 120', 'once the cause is mended']],
    give: (client, order) => client.orderJob('retry', order),
  });
}

function addList(job: Command, words: WorkloadWords): void {
  addListCommand(job, words, {
    ...{ plural: 'jobs', statuses: JOB_STATES },
    options: (list) =>
      list
        .option('--task <ID>', `only those of this task: ${ID_HELP}`)
        .option('--pilot <NAME>', 'only those that this pilot has, or had last')
        .option('--failure <CLASS>', 'only those that failed so, payload_exit for instance'),
    filterOf: ({ task, pilot, failure }: JobListOptions) => ({
      ...(task !== undefined && { task }),
      ...(pilot !== undefined && { pilot }),
      ...(failure !== undefined && { failure_class: failure }),
    }),
    examples: [
      ['owl workload job list --task 7 --status failed', 'what went wrong'],
      ['owl workload job list --status running', 'what runs now, and where'],
    ],
    nothing: 'there is no job yet; tasks make them',
    pages: (client, { status: state, newest_first, filter }, limit) =>
      client.jobs({ ...filter, state, newest_first }, limit),
    columns: (rows, width) => jobColumns(Date.now(), rows, width),
  });
}
