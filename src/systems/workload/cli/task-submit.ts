/** `owl workload task submit`: an executable over the files of a dataset. Prints the uid of the task. */

import { type Command, InvalidArgumentError } from 'commander';
import { severalOf, wholeNumber } from '../../../cli/arguments.js';
import { commandId } from '../../../cli/entity-commands.js';
import { UsageError } from '../../../cli/exit.js';
import { toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { sayIfUnknown } from '../../../cli/lost-answers.js';
import type { Cli } from '../../../cli/system.js';
import { DEVICES } from '../devices.js';
import type { TaskSubmitRequest } from '../wire/messages.js';
import { DATASET_HELP, datasetUid } from './dataset-uid.js';
import { STORAGE_HELP, storageUrl } from './storage-place.js';
import { withWorkload } from './with-workload.js';

const MODES = ['map', 'merge'] as const;
const SMALLEST_RANK = -32_768;
const LARGEST_RANK = 32_767;
const YEAR_SECONDS = 31_536_000;

interface SubmitOptions extends GlobalOptions {
  readonly in: string;
  readonly out: string;
  readonly args?: string;
  readonly mode?: string[];
  readonly device?: string[];
  readonly rank?: number;
  readonly retries?: number;
  readonly filesPerJob?: number;
  readonly maxFailedJobs?: number;
  readonly incomplete?: boolean;
  readonly untilOne?: boolean;
  readonly timeLimit?: number;
  readonly memory?: number;
  readonly storage?: string;
  readonly name?: string;
  readonly uid?: string;
}

export function addSubmitCommand(task: Command, cli: Cli): void {
  const submit = task
    .command('submit')
    .summary('submit a task')
    .description(
      'Submits a task and prints its uid. Its input may still grow, or hold nothing yet: files are taken as they come. ' +
        'What it writes becomes a dataset of its own, and so do its logs.',
    )
    .argument('<EXECUTABLE>', "a name from the pilots' configuration (workload.executables)")
    .requiredOption('--in <DATASET>', `what it reads, ${DATASET_HELP}`)
    .requiredOption('--out <PLACE>', `where its results go: ${STORAGE_HELP}`)
    .option('--args <TEXT>', 'arguments, as words with quotes; no shell reads them')
    .option(
      '--mode <MODE>',
      'map: a job for each file; merge: for groups of files (default: map)',
      severalOf(MODES),
    )
    .option('--device <DEVICE>', 'whose pilots take it: cpu or gpu (default: cpu)', severalOf(DEVICES))
    .option('--files-per-job <N>', 'files of a job (default: 1 for map, 100 for merge)', wholeNumber(1, 1000))
    .option('--until-one', 'merge: level after level, until one file is left')
    .option('--rank <N>', 'larger ones go first (default: 0)', rankArgument)
    .option('--retries <N>', 'attempts after failures of a job itself (default: 3)', wholeNumber(0, 100))
    .option(
      '--max-failed-jobs <N>',
      'so many may fail and it goes on (default: 0)',
      wholeNumber(0, 1_000_000_000),
    )
    .option('--incomplete', 'failed input files are left out (default: they fail the task)')
    .option('--time-limit <SECONDS>', 'how long a job may run', wholeNumber(1, YEAR_SECONDS))
    .option('--memory <MIB>', 'what a job may take', wholeNumber(1, 16 * 1024 * 1024))
    .option('--storage <PLACE>', "where its input lies (default: the dataset's storage)")
    .option('--name <TEXT>', 'what people call it')
    .option('--uid <UUID>', 'its uid (default: a random one)');
  addExamples(submit, [
    ['owl workload task submit reco --in 11 --out /data/reco', 'a job for each file of it'],
    [
      'owl workload task submit hadd --in 12 --out /sum --mode merge --until-one',
      'groups of files, and of their results again, until one is left',
    ],
  ]);
  submit.action(async (executable: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<SubmitOptions>();
    await withWorkload(cli, options, async (client) => {
      const order = { ...orderOf(cli, executable, options), ...commandId() };
      const data_in_uid = await datasetUid(client, options.in);
      const task = await sayIfUnknown('owl workload task list --limit 5', () =>
        client.submit({ ...order, data_in_uid }),
      );
      await cli.out.line(options.json ? toJson(task) : (task.uid ?? ''));
      // There is more to say than that it was taken.
      if (!options.json && task.remarks) await cli.err.line(`task ${task.task_id}: ${task.remarks}`);
    });
  });
}

function orderOf(cli: Cli, executable: string, options: SubmitOptions): TaskSubmitRequest {
  const { args, rank, retries, filesPerJob, maxFailedJobs, timeLimit, memory, storage, name, uid } = options;
  return {
    executable,
    mode: only(options.mode, '--mode') ?? 'map',
    device_type: only(options.device, '--device') ?? 'cpu',
    data_out_url: storageUrl(cli, options.out),
    ...(args !== undefined && { args }),
    ...(rank !== undefined && { rank }),
    ...(retries !== undefined && { retries }),
    ...(filesPerJob !== undefined && { files_per_job: filesPerJob }),
    ...(maxFailedJobs !== undefined && { max_failed_jobs: maxFailedJobs }),
    ...(options.incomplete === true && { require_complete: false }),
    ...(options.untilOne === true && { until_one: true }),
    ...(timeLimit !== undefined && { timeout_seconds: timeLimit }),
    ...(memory !== undefined && { memory_mib: memory }),
    ...(storage !== undefined && { storage_url: storageUrl(cli, storage) }),
    ...(name !== undefined && { name }),
    ...(uid !== undefined && { uid }),
  };
}

function only(values: readonly string[] | undefined, flag: string): string | undefined {
  const [value, ...others] = values ?? [];
  if (others.length > 0) throw new UsageError(`${flag} is given twice`);
  return value;
}

/** For commander: a rank. */
export function rankArgument(text: string): number {
  const value = Number(text);
  if (/^-?[0-9]+$/.test(text) && value >= SMALLEST_RANK && value <= LARGEST_RANK) return value;
  throw new InvalidArgumentError(`It must be a whole number from ${SMALLEST_RANK} to ${LARGEST_RANK}.`);
}
