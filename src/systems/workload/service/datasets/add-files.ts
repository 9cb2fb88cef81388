/**
 * Files from outside are added to a dataset in batches, each in one event of the dataset, and then registered one by one. Of those that
 * jobs will write the batch only takes places and names: each is registered with what becomes of it, once its job has ended (results.ts).
 *
 * Guarantees: a batch is stored whole or not at all; a name stands in a dataset once, on however many nodes it is added to, for names
 * are looked up in a read model that holds all places before the batch; what was added gets its actors through restarts and kills.
 */

import type { z } from 'zod';
import { InvalidFieldError, OwlError } from '../../../../base/errors.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { Turns } from '../../../../base/turns.js';
import { asUuid } from '../../../../base/uuid.js';
import type { Asking } from '../../../../node/operations/operation.js';
import type { Command, CommandResult } from '../../../../runtime/actors/actor-type.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { commandTo, type Reactor, type ReactorCommand } from '../../../../runtime/reactors/reactor.js';
import { fileIdOf } from '../ids.js';
import type { WorkloadContext } from '../workload-context.js';
import { type Added, addFiles, type NamedFile } from './dataset-commands.js';
import type { NewFile } from './dataset-messages.js';
import type { addFiles as addFilesOperation } from './dataset-operations.js';
import { namedFiles } from './dataset-rows.js';
import { dataset, file } from './dataset-types.js';
import { registerFile } from './file-commands.js';
import { whileOthersAdd } from './while-others-add.js';

/** @throws OwlError kind `exists` with reason `duplicate_name`, `refused` or `not_found` */
export async function add(
  context: WorkloadContext,
  turns: Turns,
  { uid: givenUid, files: given, command_id: id }: z.output<typeof addFilesOperation.request>,
  asking: Asking,
): Promise<Added> {
  assertDistinct(given);
  const uid = asUuid(givenUid);
  const files = given.map(namedFileOf);
  const { db } = context;
  const order = id === undefined ? {} : { id, asks: { name: 'add', content: { files } } };
  const names = files.map(({ name }) => name);
  const { answer, duplicate } = await turns.in(uid, () =>
    whileOthersAdd(context, () => {
      const [taken] = namedFiles(db, uid, names);
      return addBatch(context, uid, files, { ...order, by: asking.who }, taken && takenName(uid, taken));
    }),
  );
  asking.repeated(duplicate);
  if (answer === undefined) throw new OwlError('unavailable', `dataset ${uid} did not answer; ask again`);
  return answer;
}

/** Of names that were looked up in the same turn of the event loop. @param problem of the batch, if the dataset would take it */
export function addBatch(
  { system, db }: WorkloadContext,
  uid: string,
  files: readonly NamedFile[],
  order: Pick<Command, 'id' | 'asks' | 'by'>,
  problem?: OwlError,
): Promise<CommandResult<typeof dataset.machine, Added>> {
  const row = db.prepare('SELECT files FROM dsm_datasets WHERE uid = ?').get(uid);
  const counted = Number(row?.['files'] ?? 0);
  return system.execute(dataset, uid, {
    ...order,
    decide: (snapshot) => {
      if (snapshot.value === 'absent' && row !== undefined)
        throw new OwlError('retryable', `dataset ${uid} is being registered; ask again`);
      const decided = addFiles(snapshot, uid, files, counted);
      if (problem !== undefined) throw problem;
      return decided;
    },
  });
}

/** Makes the files of a batch that are there. */
export function filesOfABatch(): Reactor {
  return {
    name: 'workload-files',
    categories: [dataset.category],
    react: (event) =>
      event.type === 'DatasetFilesAdded' && event.data['declared'] !== true ? registrations(event) : [],
  };
}

function* registrations({ stream, data }: RecordedEvent): Generator<ReactorCommand> {
  const dataset_uid = idOf(stream);
  const first = Number(data['first_idx']);
  const files = Array.isArray(data['files']) ? data['files'] : [];
  for (const [i, named] of files.entries()) {
    if (!isNamed(named)) continue;
    const { name: file_name, ...known } = named;
    const place = { dataset_uid, idx: first + i, file_name, declared: false, ...known };
    const id = fileIdOf(dataset_uid, first + i);
    yield commandTo(file, id, { id, begins: true, decide: registerFile(place) });
  }
}

function isNamed(value: unknown): value is NamedFile {
  return typeof value === 'object' && value !== null && 'name' in value && 'path' in value;
}

function namedFileOf({ file_name: name, path = name, size, check_sum, sha256 }: NewFile): NamedFile {
  return {
    name,
    path,
    ...(size === undefined ? {} : { size: String(size) }),
    ...(check_sum === undefined ? {} : { check_sum: asUuid(check_sum) }),
    ...(sha256 === undefined ? {} : { sha256: sha256.toLowerCase() }),
  };
}

/** @throws InvalidFieldError with every problem */
function assertDistinct(files: readonly NewFile[]): void {
  if (files.length === 0) throw new InvalidFieldError('files', 'is missing');
  const names = new Map<string, number>();
  const problems = files.flatMap(({ file_name: name }, i) => {
    const before = names.get(name);
    if (before === undefined) names.set(name, i);
    return before === undefined
      ? []
      : [
          {
            field: `files.${i}.file_name`,
            rule: `must be in the batch once, not at ${before} as well: ${name}`,
          },
        ];
  });
  const [first, ...others] = problems;
  if (first !== undefined) throw new InvalidFieldError(first.field, first.rule, others);
}

function takenName(uid: string, row: SqlRow): OwlError {
  return new OwlError(
    'exists',
    `file_name: ${String(row['file_name'])} is in dataset ${uid} already, at ${String(row['idx'])}; nothing of the batch was added`,
    { reason: 'duplicate_name' },
  );
}
