/**
 * The inputs of a job in its working directory, looked at before anything is started.
 *
 * Guarantees: what the payload reads is what was looked at, for it is a copy, summed while it is made: whoever changes the file
 * meanwhile changes nothing for it, and a payload that writes into its input has changed its copy alone; size always, and check sums
 * unless the pilot leaves them out, are those that the order names; what is missing, is no file, can't be read or is another one fails
 * the attempt with what was found; a storage that is away, or that this pilot may not read, is told from that.
 *
 * Why no hard links: a payload runs as the pilot's user, and through a link it would write into the registered file.
 */

import { constants } from 'node:fs';
import { join } from 'node:path';
import { type Summed, sumsOf } from '../../../base/check-sums.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import { together } from '../../../base/together.js';
import { asUuid } from '../../../base/uuid.js';
import type { JobInput } from '../wire/pilot-messages.js';
import { AttemptError, isOfPath } from './failure.js';
import { JobFile } from './job-file.js';
import { type FoundInStorage, type Storage, type StoragePlace, unavailable } from './storage.js';

/** Inputs of one job that are looked at together. */
const AT_ONCE = 8;
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

/** @throws AttemptError, or the signal's reason */
export async function stageInputs(options: StageInputs): Promise<void> {
  const { storage, storageUrl, inputs, paths, signal } = options;
  if (inputs.length === 0) return;
  // Other pilots may see it.
  const place = await storage.at(storageUrl).catch((error: unknown) => {
    throw error instanceof AttemptError ? error : unavailable(storageUrl, error);
  });
  await together(inputs, { atOnce: AT_ONCE, signal }, async (input, index, either) => {
    await stageInput(input, paths[index] ?? '', { ...options, place, signal: either });
  });
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

async function stageInput(input: JobInput, path: string, options: Staging): Promise<void> {
  const found = await findInput(input, options);
  // Before it is copied for nothing.
  assertSize(input, Number(found.stat.size));
  assertSums(input, await copy(input, found, path, options), options.isVerified);
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

/** @returns the sums of what was copied */
async function copy(
  input: JobInput,
  found: FoundInStorage,
  path: string,
  { signal }: Staging,
): Promise<Summed> {
  const from = await openInput(input, found);
  try {
    const bytes = Number(found.stat.size);
    const to = await JobFile.create(path, 0o400, bytes, { isNear: true });
    try {
      return await sumsOf(from, signal, { copy: to, expectedBytes: bytes });
    } finally {
      await to.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw unavailable(found.path, error);
  } finally {
    await from.close();
  }
}

async function openInput(input: JobInput, { path, isNear }: FoundInStorage): Promise<JobFile> {
  try {
    // Not waiting where somebody has put a pipe in its place meanwhile.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const { file, stat } = await JobFile.open(path, flags, { isNear });
    if (stat.isFile()) return file;
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
