/** `owl workload series`: datasets, one after another, each through the same steps of tasks. */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf, OwlError } from '../../../base/errors.js';
import { closest } from '../../../base/suggestion.js';
import { wholeNumber } from '../../../cli/arguments.js';
import { addListCommand, addOrderCommand, addShowCommand, commandId } from '../../../cli/entity-commands.js';
import { toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { sayIfUnknown } from '../../../cli/lost-answers.js';
import type { Cli } from '../../../cli/system.js';
import type { TaskTemplate } from '../wire/series-messages.js';
import { DATASET_HELP, datasetUid } from './dataset-uid.js';
import { addHistory } from './history.js';
import { SERIES_STATES, seriesCard, seriesColumns } from './series-view.js';
import { storageUrl } from './storage-place.js';
import { entityWords, withWorkload } from './with-workload.js';

interface SubmitOptions extends GlobalOptions {
  readonly in: readonly string[];
  readonly steps: string;
  readonly concurrency?: number;
  readonly uid?: string;
}

export function addSeriesCommands(workload: Command, cli: Cli): void {
  const series = workload
    .command('series')
    .summary('lead datasets through the same steps, one after another')
    .description(
      'Leads datasets, one after another, through the same steps of tasks, and looks at how far that is.',
    );
  addSubmit(series, cli);
  const words = entityWords(cli, 'series');
  addListCommand(series, words, {
    ...{ plural: 'series', statuses: SERIES_STATES },
    examples: [['owl workload series list --status running,failed', 'what is under way, and what is stuck']],
    nothing:
      'there is no series yet; submit one with `owl workload series submit NAME --in DATASET --steps FILE`',
    pages: (client, { status: state, newest_first }, limit) =>
      client.allSeries({ state, newest_first }, limit),
    columns: (rows, width) => seriesColumns(Date.now(), rows, width),
  });
  addShowCommand(series, words, {
    description:
      'Shows everything about one series: how far each of its datasets is, and why it waits or how it ended.',
    examples: [['owl workload series show 2', 'by its number']],
    look: (client, id) => client.series({ id }),
    card: seriesCard,
  });
  addHistory(series, words, 'series');
  addOrderCommand(series, words, {
    ...{ name: 'cancel', summary: 'cancel a series' },
    description:
      'Nothing more of the series begins, and its tasks are cancelled. It is cancelled once none of them lives any more. ' +
      'The datasets that it reads stay as they are.',
    examples: [['owl workload series cancel 2 --reason "wrong steps"', 'its input stays as it is']],
    give: (client, order) => client.cancelSeries(order),
  });
}

function addSubmit(series: Command, cli: Cli): void {
  const submit = series
    .command('submit')
    .summary('submit a series')
    .description(
      'Submits a series and prints its uid. The first step reads each dataset, each further one what the one before it ' +
        'writes. The datasets may be registered and empty, days before there is anything in them.',
    )
    .argument('<NAME>', 'what people call it')
    .requiredOption('--in <DATASET...>', `in order, ${DATASET_HELP}`)
    .requiredOption(
      '--steps <FILE>',
      'a list in YAML or JSON: executable, out (a directory) and, as far as they differ from a task, args, mode, device, …',
    )
    .option('--concurrency <N>', 'datasets under way at once (default: 1)', wholeNumber(1, 100))
    .option('--uid <UUID>', 'its uid (default: a random one)');
  addExamples(submit, [
    ['owl workload series submit may --in 3 4 5 --steps steps.yaml', 'one after another'],
    ['owl workload series submit may --in 3 4 5 --steps steps.yaml --concurrency 2', 'two at once'],
  ]);
  submit.action(async (name: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<SubmitOptions>();
    const { concurrency, uid } = options;
    const steps = readSteps(cli, options.steps);
    await withWorkload(cli, options, async (client) => {
      const datasets: string[] = [];
      for (const id of options.in) datasets.push(await datasetUid(client, id));
      const order = {
        ...{ name, datasets, steps, ...commandId() },
        ...(concurrency !== undefined && { concurrency }),
        ...(uid !== undefined && { uid }),
      };
      const answer = await sayIfUnknown('owl workload series list --limit 5', () =>
        client.submitSeries(order),
      );
      await cli.out.line(options.json ? toJson(answer) : (answer.uid ?? ''));
    });
  });
}

const Step = z.strictObject({
  executable: z.string('must be text'),
  out: z.string('must be a directory or a URL'),
  args: z.string('must be text').optional(),
  mode: z.string('must be map or merge').default('map'),
  device: z.string('must be cpu or gpu').default('cpu'),
  storage: z.string('must be a directory or a URL').optional(),
  name: z.string('must be text').optional(),
  rank: z.number('must be a number').optional(),
  retries: z.number('must be a number').optional(),
  files_per_job: z.number('must be a number').optional(),
  max_failed_jobs: z.number('must be a number').optional(),
  require_complete: z.boolean('must be true or false').optional(),
  until_one: z.boolean('must be true or false').optional(),
  timeout_seconds: z.number('must be a number').optional(),
  memory_mib: z.number('must be a number').optional(),
});

/** What the node then says of them names them as `steps.0`. @throws OwlError kind `invalid` with file and place */
function readSteps(cli: Cli, file: string): TaskTemplate[] {
  let given: unknown;
  try {
    given = parse(readFileSync(resolve(cli.cwd, file), 'utf8'));
  } catch (error) {
    throw new OwlError('invalid', `${file} can't be read: ${messageOf(error)}`, { cause: error });
  }
  const read = z.array(Step, 'must be a list of steps').safeParse(given);
  if (!read.success) {
    throw new OwlError('invalid', `${file}: ${read.error.issues.flatMap(told).join('; ')}`);
  }
  return read.data.map(({ out, device, storage, ...step }) => ({
    ...withoutMissing(step),
    ...{ device_type: device, data_out_url: storageUrl(cli, out) },
    ...(storage !== undefined && { storage_url: storageUrl(cli, storage) }),
  }));
}

/** `steps.0.rnak: is no field of a step; did you mean rank?`, as the node names them. */
function told(issue: z.core.$ZodIssue): string[] {
  const at = (path: readonly PropertyKey[]) => ['steps', ...path.map(String)].join('.');
  if (issue.code !== 'unrecognized_keys') return [`${at(issue.path)}: ${issue.message}`];
  return issue.keys.map((key) => {
    const meant = closest(key, Object.keys(Step.shape));
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    return `${at([...issue.path, key])}: is no field of a step${hint}`;
  });
}

function withoutMissing(step: object): TaskTemplate {
  return Object.fromEntries(Object.entries(step).filter(([, value]) => value !== undefined));
}
