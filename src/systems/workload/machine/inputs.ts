/**
 * The inputs of a job in its working directory, looked at before anything is started.
 *
 * Guarantees: what the payload reads is what was looked at, for it is linked (a hard link, or a copy where none can be made) before it
 * is read, so that whoever puts another file in its place changes nothing; size always, and check sums unless the pilot leaves them
 * out, are those that the order names; what is missing, is no file, can't be read or is another one fails the attempt with what was
 * found, and a storage that is away is told from that. A payload that writes into an input that is linked fails for it: the file is
 * another one for everybody then, which is found out at once, and not by who reads it next.
 */

import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, link, open } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, OwlError } from '../../../base/errors.js';
import { limitConcurrency } from '../../../base/limit-concurrency.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { JobInput } from '../wire/pilot-messages.js';
import { asUuid, type Summed, sumsOf } from './check-sums.js';
import { AttemptError, isOfPath } from './failure.js';
import { type FoundInStorage, type Storage, type StoragePlace, unavailable } from './storage.js';

/** Inputs of one job that are looked at together. */
const AT_ONCE = 8;
/** Where no hard link can be made: another file system, one that has none, or a file of somebody else. */
const NO_LINK: ReadonlySet<string | undefined> = new Set([
  ...['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'],
]);

export interface StageInputs {
  readonly storage: Storage;
  readonly storageUrl: string;
  readonly inputs: readonly JobInput[];
  /** Where each goes: absolute, in their order; nothing is there. */
  readonly paths: readonly string[];
  /** Whether check sums are looked at. */
  readonly isVerified: boolean;
  readonly signal: AbortSignal;
}

interface Staging extends StageInputs {
  readonly place: StoragePlace;
}

/** An input in its place, and what it looked like when it was looked at. */
export interface StagedInput {
  readonly input: JobInput;
  readonly path: string;
  readonly mark: string;
}

/** @throws AttemptError, or the signal's reason */
export async function stageInputs(options: StageInputs): Promise<StagedInput[]> {
  const { storage, storageUrl, inputs, paths, signal } = options;
  const [first] = inputs;
  if (first === undefined) return [];
  const place = await storage.at(storageUrl).catch((error: unknown) => {
    throw isMissing(error) ? missing(first, messageOf(error), error) : error;
  });
  const gate = limitConcurrency(AT_ONCE);
  const broken = new AbortController();
  const staging = { ...options, place, signal: AbortSignal.any([signal, broken.signal]) };
  const staged: StagedInput[] = [];
  const outcomes = await Promise.allSettled(
    inputs.map((input, index) =>
      gate(async () => {
        staging.signal.throwIfAborted();
        const path = paths[index] ?? '';
        staged.push({ input, path, mark: await stageInput(input, path, staging) });
      }).catch((error: unknown) => {
        broken.abort(error);
        throw error;
      }),
    ),
  );
  signal.throwIfAborted();
  if (outcomes.some(({ status }) => status === 'rejected')) throw broken.signal.reason;
  return staged;
}

/** Looks once more at those that look different now. @throws AttemptError when one is another file by now, or the signal's reason */
export async function assertUnchanged(staged: readonly StagedInput[], signal: AbortSignal): Promise<void> {
  for (const { input, path, mark } of staged) {
    // What was taken out of the working directory is still where it lies.
    const file = await openInput(input, path).catch(() => undefined);
    if (file === undefined) continue;
    try {
      const { size } = await file.stat();
      if (markOf(await file.stat({ bigint: true })) === mark) continue;
      assertSize(input, size);
      if (hasSums(input)) assertSums(input, await sumsOf(file, signal), true);
    } finally {
      await file.close();
    }
  }
}

function markOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs}`;
}

/** Where they go in a directory: as they are called, and where two have one name, or one has none, with their number before it. */
export function pathsOf(inputs: readonly JobInput[], directory: string): string[] {
  const taken = new Set<string>();
  return inputs.map(({ file_name = '' }, index) => {
    const isPlain = /^[^/\0]+$/.test(file_name) && file_name !== '.' && file_name !== '..';
    const name =
      isPlain && !taken.has(file_name) ? file_name : `${index}.${file_name.replace(/[/\0]/g, '_')}`;
    taken.add(name);
    return join(directory, name);
  });
}

/** @returns its mark */
async function stageInput(input: JobInput, path: string, options: Staging): Promise<string> {
  const found = await findInput(input, options);
  const copied = await bring(input, found, path, options);
  const file = await openInput(input, path);
  try {
    // Before it is read: what is written meanwhile is seen by its mark.
    const stat = await file.stat({ bigint: true });
    assertSize(input, Number(stat.size));
    if (copied !== undefined) assertSums(input, copied, options.isVerified);
    else if (options.isVerified && hasSums(input))
      assertSums(input, await sumsOf(file, options.signal), true);
    return markOf(stat);
  } finally {
    await file.close();
  }
}

async function findInput(input: JobInput, { place }: Staging): Promise<FoundInStorage> {
  const { file_name = '', path = file_name } = input;
  let found: FoundInStorage;
  try {
    found = await place.find(path === '' ? file_name : path);
  } catch (error) {
    throw isMissing(error) ? missing(input, messageOf(error), error) : error;
  }
  if (found.stat.isDirectory()) throw missing(input, `${found.path} is a directory`);
  if (!found.stat.isFile()) throw missing(input, `${found.path} is no regular file`);
  return found;
}

/** @returns the sums of what was copied; undefined when it was linked */
async function bring(
  input: JobInput,
  { path: source }: FoundInStorage,
  path: string,
  { signal }: Staging,
): Promise<Summed | undefined> {
  try {
    await link(source, path);
    return undefined;
  } catch (error) {
    if (!NO_LINK.has(systemErrorCode(error)))
      throw isOfPath(error) ? missing(input, messageOf(error), error) : unavailable(source, error);
  }
  const from = await openInput(input, source);
  try {
    const to = await open(path, 'wx', 0o400);
    try {
      return await sumsOf(from, signal, to);
    } finally {
      await to.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw unavailable(source, error);
  } finally {
    await from.close();
  }
}

async function openInput(input: JobInput, path: string): Promise<FileHandle> {
  try {
    // Not waiting where somebody has put a pipe in its place meanwhile.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    throw isOfPath(error) ? missing(input, messageOf(error), error) : unavailable(path, error);
  }
  throw missing(input, `${path} is no regular file`);
}

function assertSize(input: JobInput, size: number): void {
  if (input.size === undefined || input.size === size) return;
  throw new AttemptError(
    'input_checksum',
    `input ${nameOf(input)} has ${size} bytes, and was registered with ${input.size}`,
    { file: input.uid ?? '', found_size: size },
  );
}

function assertSums(input: JobInput, found: Summed, isVerified: boolean): void {
  assertSize(input, found.size);
  if (!isVerified) return;
  const { check_sum = '', sha256 = '' } = input;
  const differs = (what: string, is: string, was: string) =>
    new AttemptError(
      'input_checksum',
      `input ${nameOf(input)} has the ${what} ${is}, and was registered with ${was}`,
      { file: input.uid ?? '', found_size: found.size, found_check_sum: found.check_sum },
    );
  if (check_sum !== '' && asUuid(check_sum) !== found.check_sum)
    throw differs('check sum', found.check_sum, asUuid(check_sum));
  if (sha256 !== '' && sha256.toLowerCase() !== found.sha256)
    throw differs('SHA-256', found.sha256, sha256.toLowerCase());
}

function hasSums({ check_sum = '', sha256 = '' }: JobInput): boolean {
  return check_sum !== '' || sha256 !== '';
}

function missing(input: JobInput, why: string, cause?: unknown): AttemptError {
  return new AttemptError(
    'input_missing',
    `input ${nameOf(input)} can't be read: ${why}`,
    { file: input.uid ?? '' },
    cause,
  );
}

function nameOf({ file_name = '?' }: JobInput): string {
  return file_name;
}

function isMissing(error: unknown): boolean {
  return isOfPath(error) || (error instanceof OwlError && error.kind === 'invalid');
}
