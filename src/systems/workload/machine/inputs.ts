/**
 * The inputs of a job in its working directory, looked at before anything is started.
 *
 * Guarantees: what the payload reads is what was looked at, for it is linked (a hard link, or a copy where none can be made) before it
 * is read, so that whoever puts another file in its place changes nothing; size always, and check sums unless the pilot leaves them
 * out, are those that the order names; what is missing, is no file, can't be read or is another one fails the attempt with what was
 * found, and a storage that is away is told from that.
 */

import { constants } from 'node:fs';
import { type FileHandle, link, open } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, OwlError } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { JobInput } from '../wire/pilot-messages.js';
import { asUuid, type Summed, sumsOf } from './check-sums.js';
import { AttemptError, isOfPath } from './failure.js';
import { type FoundInStorage, type Storage, unavailable } from './storage.js';

/** Where no hard link can be made: another file system, one that has none, or a file of somebody else. */
const NO_LINK: ReadonlySet<string | undefined> = new Set([
  ...['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'],
]);

export interface StageInputs {
  readonly storage: Storage;
  readonly storageUrl: string;
  readonly inputs: readonly JobInput[];
  /** Absolute; empty. */
  readonly directory: string;
  /** Whether check sums are looked at. */
  readonly isVerified: boolean;
  readonly signal: AbortSignal;
}

/** @returns their paths, in order @throws AttemptError, or the signal's reason */
export async function stageInputs(options: StageInputs): Promise<string[]> {
  const names = namesOf(options.inputs);
  const paths: string[] = [];
  for (const [index, input] of options.inputs.entries()) {
    options.signal.throwIfAborted();
    const path = join(options.directory, names[index] ?? String(index));
    await stageInput(input, path, options);
    paths.push(path);
  }
  return paths;
}

async function stageInput(input: JobInput, path: string, options: StageInputs): Promise<void> {
  const found = await findInput(input, options);
  const copied = await bring(input, found, path, options);
  const file = await openInput(input, path);
  try {
    const { size } = await file.stat();
    assertSize(input, size);
    if (copied !== undefined) assertSums(input, copied, options.isVerified);
    else if (options.isVerified && hasSums(input))
      assertSums(input, await sumsOf(file, options.signal), true);
  } finally {
    await file.close();
  }
}

async function findInput(input: JobInput, { storage, storageUrl }: StageInputs): Promise<FoundInStorage> {
  const { file_name = '', path = file_name } = input;
  let found: FoundInStorage;
  try {
    found = await storage.find(storageUrl, path === '' ? file_name : path);
  } catch (error) {
    throw isOfPath(error) || (error instanceof OwlError && error.kind === 'invalid')
      ? missing(input, messageOf(error), error)
      : error;
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
  { signal }: StageInputs,
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

/** As in the dataset; where two have one name, or it is none, with their number before it. */
function namesOf(inputs: readonly JobInput[]): string[] {
  const taken = new Set<string>();
  return inputs.map(({ file_name = '' }, index) => {
    const isPlain = /^[^/\0]+$/.test(file_name) && file_name !== '.' && file_name !== '..';
    const name =
      isPlain && !taken.has(file_name) ? file_name : `${index}.${file_name.replace(/[/\0]/g, '_')}`;
    taken.add(name);
    return name;
  });
}
