/** `owl workload task`: submitting tasks, looking at them, and what an operator can have done to one. */

import type { Command } from 'commander';
import {
  addListCommand,
  addOrderCommand,
  addShowCommand,
  commandId,
  giveOrder,
  idHelpOf,
} from '../../../cli/entity-commands.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import { TASK_ORDERS, type TaskOrder } from '../wire/workload-services.js';
import { addHistory } from './history.js';
import { addSubmitCommand, rankArgument } from './task-submit.js';
import { taskCard, taskColumns } from './task-view.js';
import { addWatchCommand } from './task-watch.js';
import { TASK_STATES } from './view-parts.js';
import { entityWords, type WorkloadWords } from './with-workload.js';

type Words = readonly [summary: string, description: string, example: string, what: string];

const ORDERS: Readonly<Record<TaskOrder, Words>> = {
  hold: [
    'begin nothing more of a task',
    'Nothing more of the task begins until it is released; what runs goes on.',
    'owl workload task hold 7 --reason "disk is full"',
    'for a while',
  ],
  release: [
    'let a held task go on',
    'Takes a `hold` back.',
    'owl workload task release 7',
    'from where it was',
  ],
  finish: [
    'end a task as it is',
    'Nothing new of the task begins, what runs ends, and then it is finished as it is, with what failed left out.',
    'owl workload task finish 7 --reason "enough"',
    'also accepts a failed one',
  ],
  retry: [
    'do again what failed',
    'What failed of a task, and what was never made of it, is done again; what is finished stays.',
    'owl workload task retry 7',
    'once the cause is mended',
  ],
  cancel: [
    'cancel a task',
    'Nothing more of the task begins, and what runs is ended. It is cancelled once nothing of it runs any more; `show` ' +
      'says what that waits for.',
    'owl workload task cancel 7 --reason "wrong input"',
    'its input stays as it is',
  ],
};

export function addTaskCommands(workload: Command, cli: Cli): void {
  const task = workload
    .command('task')
    .summary('submit work on datasets, and look at it')
    .description('Submits tasks, which run an executable over the files of a dataset, and looks at them.');
  addSubmitCommand(task, cli);
  const words = entityWords(cli, 'task');
  addListCommand(task, words, {
    ...{ plural: 'tasks', statuses: TASK_STATES },
    examples: [['owl workload task list --status registered,running', 'what is under way']],
    nothing:
      'there is no task yet; submit one with `owl workload task submit EXECUTABLE --in DATASET --out DIR`',
    pages: (client, { status: state, newest_first }, limit) => client.tasks({ state, newest_first }, limit),
    columns: (rows, width) => taskColumns(Date.now(), rows, width),
  });
  addShowCommand(task, words, {
    description: 'Shows everything about one task: how far it is, and why it waits or how it ended.',
    examples: [
      ['owl workload task show 7', 'by its number'],
      ['owl workload task show 3f2a --json', 'the raw values, for a program'],
    ],
    look: (client, id) => client.task({ id }),
    card: taskCard,
  });
  addWatchCommand(task, cli);
  addHistory(task, words, 'task');
  for (const name of TASK_ORDERS) {
    const [summary, description, ...example] = ORDERS[name];
    addOrderCommand(task, words, {
      ...{ name, summary, description, examples: [example] },
      give: (client, order) => client.orderTask(name, order),
    });
  }
  addSet(task, words);
}

function addSet(task: Command, words: WorkloadWords): void {
  const set = task
    .command('set')
    .summary('change the rank of a task')
    .description('Gives a task another rank: it counts for what of it is not queued yet.')
    .argument('<ID>', idHelpOf(words))
    .requiredOption('--rank <N>', 'larger ones go first', rankArgument);
  addExamples(set, [['owl workload task set 7 --rank 100', 'before all of a smaller one']]);
  set.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions & { readonly rank: number }>();
    await words.within(options, (client) =>
      giveOrder(words, id, options, () => client.rank({ id, rank: options.rank, ...commandId() })),
    );
  });
}
