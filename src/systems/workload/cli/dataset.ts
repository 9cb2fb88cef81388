/** `owl workload dataset`: registering datasets, filling and closing them. Looking at them is in dataset-looks.ts. */

import type { Command } from 'commander';
import { wholeNumber } from '../../../cli/arguments.js';
import { addOrderCommand, commandId, giveOrder, lookCommand } from '../../../cli/entity-commands.js';
import { formatSize, namedLine, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { whileNodeWorks } from '../../../cli/long-work.js';
import { sayIfUnknown } from '../../../cli/lost-answers.js';
import type { Cli } from '../../../cli/system.js';
import type { DatasetAdded } from '../wire/dataset-messages.js';
import { addAddCommand } from './dataset-add.js';
import { addExportCommand } from './dataset-export.js';
import { addDatasetLooks } from './dataset-looks.js';
import { DATASET_HELP, datasetUid } from './dataset-uid.js';
import { STORAGE_HELP, storageUrl } from './storage-place.js';
import { entityWords, type WorkloadWords, withWorkload } from './with-workload.js';

interface RegisterOptions extends GlobalOptions {
  readonly storage: string;
  readonly expectedFiles?: number;
  readonly uid?: string;
}

interface CloseOptions extends GlobalOptions {
  readonly force?: boolean;
  readonly reason?: string;
}

export function addDatasetCommands(workload: Command, cli: Cli): void {
  const dataset = workload
    .command('dataset')
    .summary('register files, and look at them')
    .description('Registers datasets, fills and closes them, and looks at them and their files.');
  const words = entityWords(cli, 'dataset', DATASET_HELP);
  addRegister(dataset, cli);
  addAddCommand(dataset, cli, words);
  addScan(dataset, cli, words);
  addClose(dataset, words);
  addDatasetLooks(dataset, cli, words);
  addExportCommand(dataset, cli);
  addGc(dataset, cli);
  addOrderCommand(dataset, words, {
    name: 'cancel',
    summary: 'cancel a dataset and its tasks',
    description:
      'Cancels every living task that reads or writes it, and aborts it once none of them lives any more. Its files stay where they are.',
    examples: [
      [
        'owl workload dataset cancel 3 --reason "wrong run"',
        'what is closed stays closed, and its tasks are cancelled',
      ],
    ],
    give: async (client, { id, ...order }) =>
      client.cancelDataset({ uid: await datasetUid(client, id), ...order }),
  });
}

function addRegister(dataset: Command, cli: Cli): void {
  const register = dataset
    .command('register')
    .summary('register a dataset')
    .description(
      'Registers a dataset, empty for now, and prints its uid. Tasks may be submitted for it at once.',
    )
    .argument('<NAME>', 'what people call it')
    .requiredOption('--storage <PLACE>', `where its files lie: ${STORAGE_HELP}`)
    .option(
      '--expected-files <N>',
      'it is sealed by itself once so many are in it',
      wholeNumber(1, 1_000_000_000),
    )
    .option('--uid <UUID>', 'its uid (default: a random one)');
  addExamples(register, [
    ['owl workload dataset register run-7 --storage /data/run-7', 'then add files to it, or scan it'],
    ['owl workload dataset register r8 --storage /data/r8 --expected-files 500', 'before there is any file'],
  ]);
  register.action(async (name: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<RegisterOptions>();
    const { storage, expectedFiles, uid } = options;
    await withWorkload(cli, options, async (client) => {
      const { datasets: [registered = {}] = [] } = await sayIfUnknown('owl workload dataset list', () =>
        client.register({
          datasets: [
            {
              ...{ name, storage_url: storageUrl(cli, storage) },
              ...(expectedFiles !== undefined && { expected_files: expectedFiles }),
              ...(uid !== undefined && { uid }),
            },
          ],
          ...commandId(),
        }),
      );
      await cli.out.line(options.json ? toJson(registered) : (registered.uid ?? ''));
    });
  });
}

function addScan(dataset: Command, cli: Cli, words: WorkloadWords): void {
  const scan = dataset
    .command('scan')
    .summary('add the files that lie in its storage')
    .description(
      'Adds the files that lie in the storage of a dataset and are not in it yet, by name, with size and MD5.',
    )
    .argument('<ID>', DATASET_HELP);
  addExamples(scan, [['owl workload dataset scan 3', 'again later: only what is new']]);
  scan.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const uid = await datasetUid(client, id);
      const { files: before = 0 } = await client.dataset({ id: uid });
      const look = async () => {
        const { files = 0 } = await client.dataset({ id: uid });
        return { step: 'scanning', events: files - before, total: undefined, unit: 'files added' };
      };
      const command = lookCommand(words, id);
      const answer = await whileNodeWorks(cli, look, { command, noun: 'dataset' }, () =>
        sayIfUnknown(command, () => client.scan({ uid, ...commandId() })),
      );
      await cli.out.line(options.json ? toJson(answer) : addedLine(answer));
      if (options.json) return;
      const { passed_over = 0, examples = [] } = answer;
      for (const { file_name = '', reason = '' } of examples)
        await cli.err.line(namedLine(file_name, reason));
      if (passed_over > examples.length)
        await cli.err.line(`${passed_over - examples.length} more could not be taken`);
    });
  });
}

function addGc(dataset: Command, cli: Cli): void {
  const gc = dataset
    .command('gc')
    .summary('remove what attempts left that do not count')
    .description(
      "Removes the files that attempts which do not count have left beside those of a task's dataset, once nothing of the task " +
        'runs any more.',
    )
    .argument('<ID>', DATASET_HELP);
  addExamples(gc, [['owl workload dataset gc task:7', 'after failures, to free the disk']]);
  gc.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const answer = await client.collect({ uid: await datasetUid(client, id), ...commandId() });
      const { removed = 0, bytes = 0 } = answer;
      const told = `${removed} file${removed === 1 ? '' : 's'} removed, ${formatSize(bytes)}`;
      await cli.out.line(options.json ? toJson(answer) : told);
    });
  });
}

function addClose(dataset: Command, words: WorkloadWords): void {
  const close = dataset
    .command('close')
    .summary('say that no more files come')
    .description(
      'Nothing is added to the dataset any more. It is closed at once when no file of it is unsettled, else as soon as ' +
        'none is; and then for ever.',
    )
    .argument('<ID>', DATASET_HELP)
    .option('--force', 'though fewer files are in it than were expected')
    .option('--reason <TEXT>', 'why; it is kept in the history');
  addExamples(close, [['owl workload dataset close 3', 'merges that waited for the last files go on']]);
  close.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<CloseOptions>();
    const { force = false, reason } = options;
    await words.within(options, async (client) => {
      const order = {
        ...{ uid: await datasetUid(client, id), ...commandId() },
        ...(force && { force }),
        ...(reason !== undefined && { reason }),
      };
      await giveOrder(words, id, options, () => client.closeDataset(order));
    });
  });
}

export function addedLine({ added = 0, files = 0 }: DatasetAdded): string {
  return `${added} file${added === 1 ? '' : 's'} added, ${files} in all`;
}
