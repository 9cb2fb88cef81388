/**
 * What may be wanted of the catalogue and of a dataset, as decisions: from the state and a request to the events that follow.
 *
 * Guarantees: pure and repeatable; what was looked up outside, names above all, counts only while the dataset is as long as it was
 * then (`MovedError`); nothing is added to what is sealed, and sealing with the last file that was expected is one with adding it;
 * what a task writes is added to, sealed and aborted by the task alone; closing is decided once; what is cancelled is aborted by
 * whoever has seen that nothing reads it any more (cancel-datasets.ts).
 */

import type {
  CatalogueEvent,
  CatalogueSnapshot,
  catalogueMachine,
} from '../../../../../machines/workload/catalogue.js';
import type { DatasetEvent, DatasetSnapshot } from '../../../../../machines/workload/dataset.js';
import { OwlError } from '../../../../base/errors.js';
import type { AnsweredDecision } from '../../../../runtime/actors/actor-type.js';

type EventOf<T extends DatasetEvent['type']> = Extract<DatasetEvent, { type: T }>;

export type Registration = EventOf<'DatasetRegistered'>['data'];
export type NamedFile = EventOf<'DatasetFilesAdded'>['data']['files'][number];
export type EnteredDataset = CatalogueEvent['data']['datasets'][number];
export type CatalogueMachine = typeof catalogueMachine;

/** A refusal whose `reason` programs go by. */
export class DatasetRefusedError extends OwlError {
  override readonly name = 'DatasetRefusedError';

  constructor(reason: 'dataset_sealed' | 'dataset_not_settled' | 'transition_refused', message: string) {
    super('refused', message, { reason });
  }
}

/** Others were faster: what was looked up before has to be looked up again. */
export class MovedError extends OwlError {
  override readonly name = 'MovedError';
  /** Entries by now. */
  readonly count: number;

  constructor(what: string, count: number) {
    super('conflict', `others add to ${what} at the same time; ask again`);
    this.count = count;
  }
}

export function noDataset(uid: string): OwlError {
  return new OwlError('not_found', `there is no dataset ${uid}`, { reason: 'dataset_not_found' });
}

// A type, for answers are JSON. The number of the first of them.
export type Entered = { readonly first: number };

/** @param counted datasets of the catalogue when names and uids were looked up */
export function enter(
  { context }: CatalogueSnapshot,
  datasets: readonly EnteredDataset[],
  counted: number,
): AnsweredDecision<Entered> {
  if (context.entered !== counted) throw new MovedError('the catalogue', context.entered);
  return {
    events: [{ type: 'DatasetsEntered', data: { first: counted, datasets } }],
    answer: { first: counted },
  };
}

/** One that is registered already stays as it is. */
export function registerDataset(data: Registration): (snapshot: DatasetSnapshot) => DatasetEvent[] {
  return ({ value }) => (value === 'absent' ? [{ type: 'DatasetRegistered', data }] : []);
}

// A type, for answers are JSON.
export type Added = { readonly added: number; readonly first_idx: number; readonly files: number };

/**
 * @param counted files of the dataset when their names were looked up
 * @throws MovedError; OwlError kind `not_found` or `refused`
 */
export function addFiles(
  snapshot: DatasetSnapshot,
  uid: string,
  files: readonly NamedFile[],
  counted: number,
): AnsweredDecision<Added> {
  const { context } = snapshot;
  assertGrows(snapshot, uid);
  if (context.files !== counted) throw new MovedError(`dataset ${uid}`, context.files);
  const all = counted + files.length;
  const { expectedFiles } = context;
  if (expectedFiles !== null && all > expectedFiles)
    throw new DatasetRefusedError(
      'transition_refused',
      `dataset ${uid} expects ${expectedFiles} files and has ${counted}; ${files.length} more are too many`,
    );
  const added: DatasetEvent = {
    type: 'DatasetFilesAdded',
    data: { first_idx: counted, declared: false, files },
  };
  const sealed: DatasetEvent[] =
    all === expectedFiles
      ? [{ type: 'DatasetSealed', data: { files: all, reason: 'all files that were expected are there' } }]
      : [];
  return {
    events: [added, ...sealed],
    answer: { added: files.length, first_idx: counted, files: all },
  };
}

/** @throws OwlError kind `not_found` or `refused` unless files from outside may be added */
export function assertGrows({ value, context }: DatasetSnapshot, uid: string): void {
  if (value === 'absent') throw noDataset(uid);
  if (value !== 'registered' && value !== 'open')
    throw new DatasetRefusedError(
      'dataset_sealed',
      `dataset ${uid} is ${String(value)}: it takes no files any more`,
    );
  assertFromOutside(context.producerTask, uid, 'its jobs alone add to it');
}

/**
 * Places for files that jobs of its task will write; those that have theirs already keep them.
 * @throws OwlError kind `retryable` when a place before them is not taken yet
 */
export function declareFiles(
  firstIdx: number,
  files: readonly NamedFile[],
): (snapshot: DatasetSnapshot) => DatasetEvent[] {
  return ({ context }) => {
    if (context.files > firstIdx) return [];
    if (context.files < firstIdx)
      throw new OwlError('retryable', `it has ${context.files} files: number ${firstIdx} is not next`);
    return [{ type: 'DatasetFilesAdded', data: { first_idx: firstIdx, declared: true, files } }];
  };
}

/** @throws OwlError kind `not_found` or `refused` */
export function seal(
  { value, context }: DatasetSnapshot,
  uid: string,
  { force, reason }: { readonly force: boolean; readonly reason?: string | undefined },
): DatasetEvent[] {
  if (value === 'absent') throw noDataset(uid);
  if (value === 'sealed' || value === 'closed') return [];
  if (value === 'aborted' || value === 'cancelling')
    throw new DatasetRefusedError('transition_refused', `dataset ${uid} is ${value}: it can not be closed`);
  assertFromOutside(context.producerTask, uid, 'it is closed with its task');
  const { files, expectedFiles } = context;
  if (!force && expectedFiles !== null && files < expectedFiles)
    throw new DatasetRefusedError(
      'dataset_not_settled',
      `dataset ${uid} expects ${expectedFiles} files and has ${files}; force closes it with those`,
    );
  return sealed(files, reason);
}

/** For its task: nothing more will be declared. What is sealed, closed or aborted stays as it is. */
export function sealWritten(reason: string): (snapshot: DatasetSnapshot) => DatasetEvent[] {
  return ({ value, context }) =>
    value === 'registered' || value === 'open' ? sealed(context.files, reason) : [];
}

function sealed(files: number, reason: string | undefined): DatasetEvent[] {
  return [{ type: 'DatasetSealed', data: { files, ...(reason === undefined ? {} : { reason }) } }];
}

/** How the files of a dataset stand. Bytes of those that are available. */
export interface Counts {
  readonly files: number;
  readonly available: number;
  readonly failed: number;
  readonly bytes: number;
}

/** Once, and only of what was counted whole. */
export function close({
  files,
  available,
  failed,
  bytes,
}: Counts): (snapshot: DatasetSnapshot) => DatasetEvent[] {
  return ({ value, context }) => {
    if (value !== 'sealed' || context.files !== files || available + failed !== files) return [];
    const counts = { files_available: available, files_failed: failed, bytes: String(bytes) };
    return [{ type: 'DatasetClosed', data: { ...counts, complete: available === files } }];
  };
}

/** From now on nothing begins to read it. @throws OwlError kind `not_found` or `refused` */
export function requestCancel(
  { value, context }: DatasetSnapshot,
  uid: string,
  reason: string,
): DatasetEvent[] {
  if (value === 'absent') throw noDataset(uid);
  if (value === 'aborted' || value === 'cancelling') return [];
  if (value === 'closed') throw closedForEver(uid);
  assertFromOutside(context.producerTask, uid, 'it is cancelled with its task');
  return [{ type: 'DatasetCancelRequested', data: { reason } }];
}

export function closedForEver(uid: string): DatasetRefusedError {
  return new DatasetRefusedError(
    'transition_refused',
    `dataset ${uid}, which no living task or job reads, is closed, for ever`,
  );
}

/** No task that reads it lives any more. */
export function abortCancelled(reason: string): (snapshot: DatasetSnapshot) => DatasetEvent[] {
  return ({ value }) => (value === 'cancelling' ? [{ type: 'DatasetAborted', data: { reason } }] : []);
}

/** For its task. What is closed stays so. */
export function abortWritten(reason: string): (snapshot: DatasetSnapshot) => DatasetEvent[] {
  return ({ value }) =>
    value === 'absent' || value === 'aborted' || value === 'closed'
      ? []
      : [{ type: 'DatasetAborted', data: { reason } }];
}

function assertFromOutside(task: string | null, uid: string, instead: string): void {
  if (task === null) return;
  throw new DatasetRefusedError(
    'transition_refused',
    `dataset ${uid} is written by task ${task}: ${instead}`,
  );
}
