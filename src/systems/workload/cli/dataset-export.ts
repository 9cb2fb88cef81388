/**
 * `owl workload dataset export`: its files as copies in a directory of this machine.
 *
 * Guarantees: a copy has its name only once it is whole and has the size and MD5 that are known of it; what lies there under a name
 * already is never written over nor removed, whatever its name; who interrupts it is heard within a piece of a file and leaves whole
 * copies alone, which the next one does not make again. What is no regular file is not waited for.
 */

import { createHash } from 'node:crypto';
import { constants, copyFileSync, createReadStream, linkSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { messageOf, OwlError } from '../../../base/errors.js';
import { makeDirectoriesNow } from '../../../base/make-directories.js';
import { systemErrorCode } from '../../../base/system-error.js';
import { formatSize, namedLine, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { whileShown } from '../../../cli/long-work.js';
import type { Cli } from '../../../cli/system.js';
import type { DatasetFile } from '../wire/dataset-messages.js';
import { DATASET_HELP, datasetUid } from './dataset-uid.js';
import { storageDirectory } from './storage-place.js';
import { withWorkload } from './with-workload.js';

export function addExportCommand(dataset: Command, cli: Cli): void {
  const command = dataset
    .command('export')
    .summary('copy its files into a directory')
    .description(
      'Copies the files of a dataset that are available into a directory of this machine, made when it is missing, and ' +
        'checks size and MD5 on the way. Ends with 1 when some are not available or not what they were.',
    )
    .argument('<ID>', DATASET_HELP)
    .argument('<DIR>', 'where the copies go');
  addExamples(command, [
    ['owl workload dataset export 4 ./results', 'what its storage holds is found on this machine'],
  ]);
  command.action(async (id: string, directory: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const uid = await datasetUid(client, id);
      const { storage_url = '', files: all = 0 } = await client.dataset({ id: uid });
      const to = resolve(cli.cwd, directory);
      makeDirectory(to);
      const places = {
        from: storageDirectory(storage_url),
        to,
        unfinished: mkdtempSync(join(to, '.owl-export-')),
      };
      const done = { copied: 0, bytes: 0, left_out: 0 };
      const look = async () => ({
        ...{ step: `copying, ${formatSize(done.bytes)}`, events: done.copied + done.left_out },
        ...{ total: all, unit: 'files' },
      });
      try {
        await whileShown(cli, look, async () => {
          for await (const files of client.files({ uid })) {
            for (const file of files) {
              cli.interrupted.throwIfAborted();
              const why = await exportFile(file, places, cli.interrupted);
              if (why === undefined) {
                done.copied += 1;
                done.bytes += file.size ?? 0;
              } else {
                done.left_out += 1;
                await cli.err.line(namedLine(file.file_name ?? '', why));
              }
            }
          }
        });
      } finally {
        rmSync(places.unfinished, { recursive: true, force: true });
      }
      const told = `${done.copied} file${done.copied === 1 ? '' : 's'}, ${formatSize(done.bytes)}, in ${places.to}`;
      await cli.out.line(options.json ? toJson({ ...done, directory: places.to }) : told);
      if (done.left_out > 0)
        throw new OwlError('refused', `${done.left_out} of its files could not be exported`);
    });
  });
}

/** @throws OwlError kind `refused` */
function makeDirectory(path: string): void {
  try {
    makeDirectoriesNow(path);
  } catch (error) {
    throw new OwlError('refused', `${path} can't be a directory for the copies: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

interface Places {
  readonly from: string;
  readonly to: string;
  /** A directory of this export alone, on the same file system as `to`. */
  readonly unfinished: string;
}

/** Why there is no copy of it; undefined when there is one. */
async function exportFile(
  file: DatasetFile,
  { from, to, unfinished }: Places,
  interrupted: AbortSignal,
): Promise<string | undefined> {
  const { file_name: name = '', path = name, status = '', remarks = '' } = file;
  if (status !== 'available') return remarks === '' ? `is ${status}` : `is ${status}: ${remarks}`;
  if (name === '' || basename(name) !== name) return 'has no name that a file can have here';
  const target = join(to, name);
  try {
    if (statSync(target, { throwIfNoEntry: false }) !== undefined)
      return (await isSame(target, file, interrupted))
        ? undefined
        : `${target} is there already, and another file`;
    const part = join(unfinished, 'part');
    try {
      const why = problemOf(await copied(join(from, path), part, interrupted), file);
      if (why === undefined) giveName(part, target);
      return why;
    } finally {
      rmSync(part, { force: true });
    }
  } catch (error) {
    if (interrupted.aborted) throw error;
    if (systemErrorCode(error) === 'ENOSPC')
      throw new OwlError('unavailable', `${to} has no room for ${name}: ${messageOf(error)}`, {
        cause: error,
      });
    return messageOf(error);
  }
}

/** Never takes the place of what is there. */
function giveName(part: string, target: string): void {
  try {
    linkSync(part, target);
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') throw error;
    // Some file systems have no links.
    copyFileSync(part, target, constants.COPYFILE_EXCL);
  }
}

interface Content {
  readonly size: number;
  /** 32 hex digits. */
  readonly md5: string;
}

async function copied(from: string, to: string, interrupted: AbortSignal): Promise<Content> {
  const target = await open(to, 'wx', 0o644);
  try {
    const content = await read(from, interrupted, (chunk) => target.writeFile(chunk));
    await target.sync();
    return content;
  } finally {
    await target.close();
  }
}

async function isSame(path: string, file: DatasetFile, interrupted: AbortSignal): Promise<boolean> {
  return problemOf(await read(path, interrupted, async () => undefined), file) === undefined;
}

/** @throws what `interrupted` says, once it does */
async function read(
  path: string,
  interrupted: AbortSignal,
  take: (chunk: Buffer) => Promise<void>,
): Promise<Content> {
  // Others may never have an end, or a beginning.
  if (!statSync(path).isFile()) throw new OwlError('refused', `${path} is no regular file`);
  const hash = createHash('md5');
  let size = 0;
  const chunks: AsyncIterable<Buffer> = createReadStream(path, {
    ...{ highWaterMark: 1024 * 1024, signal: interrupted },
  });
  for await (const chunk of chunks) {
    interrupted.throwIfAborted();
    hash.update(chunk);
    size += chunk.length;
    await take(chunk);
  }
  return { size, md5: hash.digest('hex') };
}

function problemOf({ size, md5 }: Content, file: DatasetFile): string | undefined {
  if (file.size !== undefined && file.size !== size) return `has ${size} bytes, not ${file.size}`;
  const known = (file.check_sum ?? '').replaceAll('-', '');
  return known !== '' && known !== md5 ? `has the MD5 ${md5}, not ${known}` : undefined;
}
