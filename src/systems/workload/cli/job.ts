/** `owl workload job`: what became of the jobs of tasks, what they printed, and why they wait. */

import type { Command } from 'commander';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import { addHistoryCommand } from './history.js';
import { addLogsCommand } from './job-logs.js';
import { jobCard, jobColumns } from './job-view.js';
import { addWhyCommand } from './job-why.js';
import { JOB_STATES } from './view-parts.js';
import {
  addListCommand,
  addOrderCommand,
  ID_HELP,
  type ListOptions,
  printList,
  printOne,
  withWorkload,
} from './with-workload.js';

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
  addList(job, cli);
  addShow(job, cli);
  addHistoryCommand(job, cli, 'job');
  addLogsCommand(job, cli);
  addWhyCommand(job, cli);
  addOrderCommand(job, cli, {
    ...{ name: 'cancel', noun: 'job', summary: 'cancel a job' },
    description:
      'Cancels a job. One that has no process yet is cancelled at once, others when their process is gone.',
    examples: [['owl workload job cancel 120 --reason "it hangs"', 'its task goes on']],
    give: (client, order) => client.orderJob('cancel', order),
  });
  addOrderCommand(job, cli, {
    ...{ name: 'retry', noun: 'job', summary: 'run a failed job again' },
    description: 'Makes a failed job wait again, as its next attempt.',
    examples: [['owl workload job retry 120', 'once the cause is mended']],
    give: (client, order) => client.orderJob('retry', order),
  });
}

function addList(job: Command, cli: Cli): void {
  const list = addListCommand(job, 'jobs', JOB_STATES)
    .option('--task <ID>', `only those of this task: ${ID_HELP}`)
    .option('--pilot <NAME>', 'only those that this pilot has, or had last')
    .option('--failure <CLASS>', 'only those that failed so, payload_exit for instance');
  addExamples(list, [
    ['owl workload job list --task 7 --status failed', 'what went wrong'],
    ['owl workload job list --status running', 'what runs now, and where'],
  ]);
  list.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<JobListOptions>();
    const { status = [], limit, oldestFirst = false, task, pilot, failure } = options;
    const filter = {
      ...(task !== undefined && { task }),
      ...(pilot !== undefined && { pilot }),
      ...(failure !== undefined && { failure_class: failure }),
    };
    await withWorkload(cli, options, async (client) => {
      const pages = client.jobs({ ...filter, state: status, newest_first: !oldestFirst }, limit);
      const isFiltered = status.length + Object.keys(filter).length > 0;
      const nothing = isFiltered ? 'no job matches' : 'there is no job yet; tasks make them';
      const width = cli.out.width;
      await printList(cli, options, pages, (rows) => jobColumns(Date.now(), rows, width), nothing);
    });
  });
}

function addShow(job: Command, cli: Cli): void {
  const show = job
    .command('show')
    .alias('status')
    .summary('show one job')
    .description('Shows everything about one job, with what it read, wrote and logged.')
    .argument('<ID>', `the job: ${ID_HELP}`);
  addExamples(show, [['owl workload job show 120', 'by its number']]);
  show.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const shown = await client.job({ id });
      const { files = [] } = await client.jobFiles({ id });
      await printOne(cli, options, { ...shown, files }, (row, layout) => jobCard(row, row.files, layout));
    });
  });
}
