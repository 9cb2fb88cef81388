/** `owl workload dataset add`: files by name, as arguments or from a list that may be long. */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { z } from 'zod';
import { messageOf, OwlError } from '../../../base/errors.js';
import { commandId, lookCommand } from '../../../cli/entity-commands.js';
import { UsageError } from '../../../cli/exit.js';
import { toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { whileShown } from '../../../cli/long-work.js';
import { sayIfUnknown } from '../../../cli/lost-answers.js';
import type { Cli } from '../../../cli/system.js';
import type { NewFile } from '../wire/dataset-messages.js';
import { DATASET_HELP, datasetUid } from './dataset-uid.js';
import { type WorkloadWords, withWorkload } from './with-workload.js';

/** Files of one batch, which are added all or none. */
const BATCH = 1000;

const Listed = z.strictObject({
  ...{ file_name: z.string(), path: z.string().optional(), size: z.number().optional() },
  ...{ check_sum: z.string().optional(), sha256: z.string().optional() },
});

interface AddOptions extends GlobalOptions {
  readonly from?: string;
}

export function addAddCommand(dataset: Command, cli: Cli, words: WorkloadWords): void {
  const add = dataset
    .command('add')
    .summary('add files by name')
    .description(
      'Adds files at the end of a dataset, 1,000 at a time: of such a batch all or none. A list has a name on each line, or ' +
        'a JSON object with file_name, path, size, check_sum and sha256. What is not said of a file is looked up.',
    )
    .argument('<ID>', DATASET_HELP)
    .argument('[NAME...]', "files below the dataset's storage")
    .option('--from <FILE>', 'a list of files; - for stdin');
  addExamples(add, [
    ['owl workload dataset add 3 a.txt b.txt', 'they lie there already'],
    ['owl workload dataset add 3 --from files.jsonl', 'many, with what is known of them'],
  ]);
  add.action(async (id: string, names: string[], _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<AddOptions>();
    if ((names.length === 0) === (options.from === undefined))
      throw new UsageError('give the names of files, or --from with a list of them');
    const files =
      options.from === undefined
        ? names.map((file_name) => ({ file_name }))
        : filesIn(await listAt(cli, options.from), options.from);
    await withWorkload(cli, options, async (client) => {
      const uid = await datasetUid(client, id);
      let [added, all] = [0, 0];
      const look = async () => ({ step: 'adding', events: added, total: files.length, unit: 'files' });
      await whileShown(cli, look, async () => {
        for (let from = 0; from < files.length; from += BATCH) {
          const batch = { uid, files: files.slice(from, from + BATCH), ...commandId() };
          const answer = await sayIfUnknown(lookCommand(words, id), () => client.add(batch)).catch(
            (error: unknown) => {
              throw from === 0 ? error : afterSome(error, added);
            },
          );
          added += answer.added ?? 0;
          all = answer.files ?? all;
        }
      });
      await cli.out.line(
        options.json
          ? toJson({ added, files: all })
          : `${added} file${added === 1 ? '' : 's'} added, ${all} in all`,
      );
    });
  });
}

function afterSome(error: unknown, added: number): unknown {
  return error instanceof OwlError
    ? new OwlError(error.kind, `${error.message}; ${added} files before were added`, { cause: error })
    : error;
}

/** Stdin may never end: who interrupts that is heard. */
async function listAt({ cwd, interrupted }: Cli, place: string): Promise<string> {
  try {
    if (place === '-') return await text(addAbortSignal(interrupted, process.stdin));
    return readFileSync(resolve(cwd, place), 'utf8');
  } catch (error) {
    throw new OwlError('invalid', `${place} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

function filesIn(list: string, place: string): NewFile[] {
  return list.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    if (!line.startsWith('{')) return { file_name: line };
    const { data, error } = Listed.safeParse(parsed(line));
    if (data !== undefined) return fileOf(data);
    const [{ path = [], message = '' } = {}] = error.issues;
    throw new OwlError('invalid', `${place}:${index + 1}: ${path.join('.') || 'the line'}: ${message}`);
  });
}

function fileOf({ file_name, path, size, check_sum, sha256 }: z.output<typeof Listed>): NewFile {
  return {
    ...{ file_name, ...(path !== undefined && { path }), ...(size !== undefined && { size }) },
    ...{ ...(check_sum !== undefined && { check_sum }), ...(sha256 !== undefined && { sha256 }) },
  };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
