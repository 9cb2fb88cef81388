/** `owl workload pilot`: running one, and looking at those that a node knows. */

import type { Command } from 'commander';
import { wholeNumber } from '../../../cli/arguments.js';
import { addOrderCommand, addShowCommand, addStatusOption, printList } from '../../../cli/entity-commands.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import type { WorkloadClient } from '../wire/workload-client.js';
import { PILOT_ORDERS, type PilotOrder } from '../wire/workload-services.js';
import { addHistory } from './history.js';
import { pilotCard, pilotColumns } from './pilot-view.js';
import { PILOT_STATES } from './view-parts.js';
import { entityWords, withWorkload } from './with-workload.js';

type Words = readonly [summary: string, description: string, example: string, what: string];

const ORDERS: Readonly<Record<PilotOrder, Words>> = {
  drain: [
    'finish what runs, start nothing',
    'The pilot is given nothing new, and what it runs ends; over restarts too, until `undrain`.',
    'owl workload pilot drain shed-3 --reason maintenance',
    'before maintenance',
  ],
  undrain: ['give it jobs again', 'Takes a `drain` back.', 'owl workload pilot undrain shed-3', 'after it'],
  retire: [
    'say that a pilot will not come back',
    'The pilot is not expected back: it is not shown any more unless it attaches again, and what it had is given to others.',
    'owl workload pilot retire shed-3 --reason "the machine is sold"',
    'it is gone for good',
  ],
};

/** States of a job that a pilot has. */
const AT_WORK = ['staging', 'running', 'cancelling'];
const NAME_HELP = 'the pilot: its name, or its running number';

interface ListOptions extends GlobalOptions {
  readonly status?: string[];
  readonly all?: boolean;
  readonly limit?: number;
  readonly newestFirst?: boolean;
}

export function addPilotCommands(workload: Command, cli: Cli): Command {
  const pilot = workload
    .command('pilot')
    .summary('run jobs on this machine, and look at pilots')
    .description(
      'Runs a pilot on this machine, which takes jobs of one device, and looks at those that a node knows.',
    );
  const words = entityWords(cli, 'pilot', NAME_HELP);
  const list = pilot
    .command('list')
    .summary('list pilots')
    .description(
      'Lists pilots: who is there, how busy, who is lost; those that are retired only with --all.',
    );
  addStatusOption(list, PILOT_STATES)
    .option('--all', 'those that are retired as well')
    .option('--limit <N>', 'at most so many', wholeNumber(1, 1_000_000_000))
    .option('--newest-first', 'those first that came last');
  addExamples(list, [
    ['owl workload pilot list', 'who is there, who is lost and since when'],
    ['owl workload pilot list --json', 'the raw values, for a program'],
  ]);
  list.action(async (_options: unknown, self: Command) => {
    await listPilots(cli, self.optsWithGlobals<ListOptions>());
  });

  addShowCommand(pilot, words, {
    description: 'Shows everything about one pilot, with its newest sample.',
    examples: [['owl workload pilot show shed-3', 'what it may run, what it does']],
    look: async (client, id, { json = false }) => {
      const shown = await client.pilot({ id });
      return {
        shown,
        numbers: json ? new Map<string, number>() : await numbersOfJobs(client, shown.name ?? ''),
      };
    },
    card: ({ shown, numbers }, layout) => pilotCard(shown, numbers, layout),
    raw: ({ shown }) => shown,
  });
  addHistory(pilot, words, 'pilot');
  for (const name of PILOT_ORDERS) {
    const [summary, description, ...example] = ORDERS[name];
    addOrderCommand(pilot, words, {
      ...{ name, summary, description, examples: [example] },
      give: (client, order) => client.orderPilot(name, order),
    });
  }
  return pilot;
}

/** Of the jobs that a pilot has, by their uids: a sample names jobs by these, and people go by the numbers. */
async function numbersOfJobs(client: WorkloadClient, pilot: string): Promise<ReadonlyMap<string, number>> {
  const numbers = new Map<string, number>();
  for await (const jobs of client.jobs({ pilot, state: AT_WORK }))
    for (const { uid = '', job_id = 0 } of jobs) numbers.set(uid, job_id);
  return numbers;
}

async function listPilots(cli: Cli, options: ListOptions): Promise<void> {
  const { status = [], all = false, limit, newestFirst = false } = options;
  await withWorkload(cli, options, async (client) => {
    const pages = client.pilots({ status, all, newest_first: newestFirst }, limit);
    const nothing =
      status.length > 0
        ? 'no pilot matches'
        : 'no pilot is there; run one with `owl workload pilot run` where workload.executables says what it may run';
    await printList(cli, options, pages, () => pilotColumns(Date.now(), cli.out.width), nothing);
  });
}
