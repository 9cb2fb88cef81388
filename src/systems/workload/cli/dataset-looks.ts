/** `owl workload dataset list | show | files | verify | history`: what is known of datasets and their files. */

import type { Command } from 'commander';
import { OwlError } from '../../../base/errors.js';
import { wholeNumber } from '../../../cli/arguments.js';
import {
  addListCommand,
  addShowCommand,
  addStatusOption,
  type ListOptions,
  lookCommand,
  printList,
} from '../../../cli/entity-commands.js';
import { namedLine, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { whileNodeWorks } from '../../../cli/long-work.js';
import type { Progress } from '../../../cli/progress-view.js';
import type { Cli } from '../../../cli/system.js';
import type { DatasetVerified } from '../wire/dataset-messages.js';
import { DATASET_HELP, datasetUid } from './dataset-uid.js';
import { DATASET_STATES, datasetCard, datasetColumns, FILE_STATES, fileColumns } from './dataset-view.js';
import { addHistory } from './history.js';
import { type WorkloadWords, withWorkload } from './with-workload.js';

export function addDatasetLooks(dataset: Command, cli: Cli, words: WorkloadWords): void {
  addListCommand(dataset, words, {
    ...{ plural: 'datasets', statuses: DATASET_STATES },
    examples: [['owl workload dataset list --status open', 'those that still grow']],
    nothing: 'there is no dataset yet; register one with `owl workload dataset register NAME --storage DIR`',
    pages: (client, { status, newest_first }, limit) => client.datasets({ status, newest_first }, limit),
    columns: (rows, width) => datasetColumns(Date.now(), rows, width),
  });
  addShowCommand(dataset, words, {
    description: 'Shows everything about one dataset.',
    examples: [['owl workload dataset show 3', 'how many files are there, how many failed']],
    look: async (client, id) => client.dataset({ id: await datasetUid(client, id) }),
    card: datasetCard,
  });
  addFiles(dataset, cli);
  addVerify(dataset, cli, words);
  addHistory(dataset, words, 'dataset');
}

function addFiles(dataset: Command, cli: Cli): void {
  const files = dataset
    .command('files')
    .summary('list the files of a dataset')
    .description('Lists the files of a dataset in their order, with size and MD5.')
    .argument('<ID>', DATASET_HELP);
  addStatusOption(files, FILE_STATES).option('--limit <N>', 'at most so many', wholeNumber(1, 1_000_000_000));
  addExamples(files, [
    ['owl workload dataset files 3 --status missing,corrupt', 'what is wrong with it'],
    ['owl workload dataset files 3 --json', 'with the uids, for a program'],
  ]);
  files.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<ListOptions>();
    const { status = [], limit } = options;
    await withWorkload(cli, options, async (client) => {
      const pages = client.files({ uid: await datasetUid(client, id), status }, limit);
      const nothing = status.length > 0 ? 'no file matches' : 'there is no file in it yet';
      await printList(cli, options, pages, () => fileColumns(cli.out.width), nothing);
    });
  });
}

function addVerify(dataset: Command, cli: Cli, words: WorkloadWords): void {
  const verify = dataset
    .command('verify')
    .summary('look whether its files are what they were')
    .description(
      'Reads every file of a dataset where it lies, and marks those that are missing or corrupt, and those that are there ' +
        'again. Ends with 1 when something is wrong.',
    )
    .argument('<ID>', DATASET_HELP);
  addExamples(verify, [['owl workload dataset verify 3', 'after a disk was changed']]);
  verify.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const uid = await datasetUid(client, id);
      let progress: Progress | undefined;
      const tell = ({ looked_at: events = 0, files: total }: DatasetVerified) => {
        progress = { step: 'the node reads the files', events, total, unit: 'files' };
      };
      const answer = await whileNodeWorks(
        cli,
        async () => progress,
        { command: lookCommand(words, id), noun: 'dataset' },
        () => client.verify(uid, tell),
      );
      const { looked_at = 0, missing = 0, corrupt = 0, unreadable = 0, examples = [] } = answer;
      await cli.out.line(
        options.json
          ? toJson(answer)
          : `${looked_at} looked at, ${missing} missing, ${corrupt} corrupt${unreadable > 0 ? `, ${unreadable} not readable now` : ''}`,
      );
      for (const { file_name = '', reason = '' } of examples)
        await cli.err.line(namedLine(file_name, reason));
      if (missing + corrupt > 0) throw wrongFiles(missing + corrupt, id);
      if (unreadable > 0)
        throw new OwlError(
          'unavailable',
          `${unreadable} of its files could not be read, and nothing is known of them; verify it again`,
        );
    });
  });
}

function wrongFiles(count: number, id: string): OwlError {
  return new OwlError(
    'refused',
    `${count} of its files ${count === 1 ? 'is' : 'are'} not what was registered; \`owl workload dataset files ${id} --status missing,corrupt\` names them`,
  );
}
