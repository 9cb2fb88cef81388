/** The messages of proto/workload.proto that are about datasets and files, as schemas. A test compares the two. */

import type { z } from 'zod';
import { MOST_DATASETS_OF_AN_ORDER } from '../../../../../machines/workload/catalogue.js';
import { MOST_FILES_OF_A_BATCH } from '../../../../../machines/workload/dataset.js';
import type { TextRule } from '../../../../base/field-rules.js';
import { uid } from '../../../../node/entities/entity-messages.js';
import {
  explicit,
  flag,
  int64,
  list,
  message,
  number,
  request,
  text,
  whole,
} from '../../../../node/operations/fields.js';
import { storageUrl } from '../shown/payload-fields.js';

const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;
const LONGEST_FILE_NAME = 50;
const LONGEST_NAME = 255;
const LONGEST_PATH = 1_024;
const MOST_EXPECTED = 1_000_000_000;

/** One line of at most so many Unicode code points. */
const isShortLine =
  (longest: number): TextRule =>
  (value) => {
    if (CONTROL.test(value)) return 'must hold no NUL, line break or other control character';
    return [...value].length > longest ? `must be at most ${longest} characters` : undefined;
  };

export const isFileName: TextRule = (value) => {
  if (value.includes('/') || value === '.' || value === '..')
    return 'must be a file name without a directory';
  return isShortLine(LONGEST_FILE_NAME)(value);
};

export const isRelativePath: TextRule = (value) => {
  if (value.startsWith('/')) return "must be relative to the dataset's storage_url";
  if (value.split('/').some((part) => part === '..' || part === '.' || part === ''))
    return 'must have names between its slashes, and none of them . or ..';
  return isShortLine(LONGEST_PATH)(value);
};

const CHECK_SUM = /^(?:[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/i;
const isCheckSum: TextRule = (value) =>
  CHECK_SUM.test(value) ? undefined : 'must be an MD5: 32 hex digits, or those in the form of a UUID';
const SHA256 = /^[0-9a-f]{64}$/i;
const isSha256: TextRule = (value) => (SHA256.test(value) ? undefined : 'must be 64 hex digits');

const some = text().optional();
const instant = number(undefined, { description: 'Unix seconds' }).optional();
const count = int64().optional();

export const datasetMessage = message('workload.Dataset', {
  ...{ dataset_id: count, uid: some, name: some },
  status: text(undefined, {
    description: 'registered, open, sealed, closed, cancelling or aborted',
  }).optional(),
  storage_url: some,
  expected_files: explicit(int64()),
  ...{ files: count, files_available: count, files_failed: count },
  bytes: int64({ description: 'Of those that are available.' }).optional(),
  complete: explicit(flag({ description: 'Once it is closed: whether all of its files are available.' })),
  producer_task: text(undefined, { description: 'The uid of the task that writes it.' }).optional(),
  ...{ create_time: instant, update_time: instant },
  closed_time: explicit(number(undefined, { description: 'Unix seconds' })),
  ...{ remarks: some, revision: count },
  series_uid: text(undefined, { description: 'The uid of the series that it was put into last.' }).optional(),
  series_index: explicit(int64({ description: 'Its place there, counted from 0.' })),
});

export const fileMessage = message('workload.File', {
  ...{ uid: some, dataset_uid: some, idx: count, file_name: some },
  path: text(undefined, { description: "Below the dataset's storage_url." }).optional(),
  size: explicit(int64({ description: 'Bytes' })),
  check_sum: text(undefined, { description: 'An MD5 in the form of a UUID.' }).optional(),
  sha256: some,
  status: text(undefined, {
    description: 'registering, declared, available, missing, corrupt, failed or discarded',
  }).optional(),
  producer_job: text(undefined, { description: 'The uid of the job that wrote it.' }).optional(),
  ...{ create_time: instant, update_time: instant, remarks: some, revision: count },
});

const newDataset = request({
  uid: uid({ description: 'Given by the caller, or made.' }).optional(),
  name: text(isShortLine(LONGEST_NAME), { maxLength: LONGEST_NAME }),
  storage_url: storageUrl.optional(),
  expected_files: explicit(
    whole(1, MOST_EXPECTED, { description: 'It is sealed by itself once so many files are in it.' }),
  ),
});
export type NewDataset = z.output<typeof newDataset>;

export const newDatasets = list(newDataset, { most: MOST_DATASETS_OF_AN_ORDER, noun: 'datasets' });

const newFile = request({
  file_name: text(isFileName, { maxLength: LONGEST_FILE_NAME }),
  path: text(isRelativePath, {
    maxLength: LONGEST_PATH,
    description: "Below the dataset's storage_url. Default: the name.",
  }).optional(),
  size: explicit(whole(0, Number.MAX_SAFE_INTEGER, { description: 'Bytes' })),
  check_sum: text(isCheckSum, { pattern: CHECK_SUM.source, description: 'An MD5.' }).optional(),
  sha256: text(isSha256, { pattern: SHA256.source }).optional(),
});
export type NewFile = z.output<typeof newFile>;

export const newFiles = list(newFile, { most: MOST_FILES_OF_A_BATCH, noun: 'files' });
