/** What pilots tell of files that they have stored, as it is kept. @throws InvalidFieldError that names the field */

import { posix } from 'node:path';
import type { JobSnapshot } from '../../../../../machines/workload/job.js';
import { InvalidFieldError } from '../../../../base/errors.js';
import * as rules from '../../../../base/field-rules.js';
import { nameOfAttempt } from '../../wire/attempt-names.js';
import type { Finished } from '../jobs/job-commands.js';
import type { JobOrder, OrderedOutput } from '../jobs/job-orders.js';
import type { FinishedMessage, WrittenFile } from './report-messages.js';

export type StoredFile = Finished['log'];

const CHECK_SUM = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/;
export const isCheckSum: rules.TextRule = (value) =>
  CHECK_SUM.test(value) ? undefined : 'must be an MD5: 32 hex digits, or in the form of a UUID';

/** The directory of its task, or its own. */
export function placeOf({ task }: JobOrder, uid: string): string {
  return `${task ?? uid}/`;
}

/** All that were ordered, and no other. */
export function outputsIn(told: FinishedMessage, order: JobOrder, below: string): StoredFile[] {
  const outputs = order.outputs.map((ordered, i) => {
    const file = told.outputs?.find((one) => one.uid === ordered.uid) ?? {};
    return writtenIn(`finished.outputs.${i}`, file, ordered, below);
  });
  const extra = told.outputs?.find((file) => !order.outputs.some((one) => one.uid === file.uid));
  if (extra !== undefined)
    throw new InvalidFieldError('finished.outputs', `hold ${String(extra.uid)}, which was not ordered`);
  return outputs;
}

/** @param below what its path begins with */
export function writtenIn(
  field: string,
  file: WrittenFile,
  ordered: OrderedOutput,
  below: string,
): StoredFile {
  if (file.uid !== ordered.uid) throw new InvalidFieldError(`${field}.uid`, `must be ${ordered.uid}`);
  const path = rules.given(`${field}.path`, file.path, (text) => isBelow(text, below));
  const size = rules.check(`${field}.size`, file.size ?? 0, rules.isByteCount);
  return {
    uid: ordered.uid,
    ...{ file_name: ordered.file_name, path, size: String(size) },
    check_sum: uuidForm(rules.given(`${field}.check_sum`, file.check_sum?.toLowerCase(), isCheckSum)),
    sha256: rules.given(`${field}.sha256`, file.sha256, rules.isKeyHash),
  };
}

/** What the claim's attempt calls a file, so that nobody tells another job's file as its own; of an older claim nothing is said. */
export function assertOfAttempt(
  field: string,
  file: StoredFile,
  { context }: JobSnapshot,
  { claimId, below }: { readonly claimId: string; readonly below: string },
): void {
  if (context.claim?.claimId !== claimId) return;
  const path = `${below}${nameOfAttempt(file.file_name, context.attempt)}`;
  if (file.path !== path) throw new InvalidFieldError(`${field}.path`, `must be ${path}`);
}

function isBelow(path: string, directory: string): string | undefined {
  const isClean = posix.normalize(path) === path && rules.isLine(1_024)(path) === undefined;
  return isClean && path.startsWith(directory) && path.length > directory.length
    ? undefined
    : `must be a path below ${directory}`;
}

export function uuidForm(sum: string): string {
  const hex = sum.replaceAll('-', '');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
