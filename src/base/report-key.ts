/**
 * The key of a machine, by which a node knows that a report is from where the work is: a file in the data directory that all
 * services of the machine share. It outlives each of them, so whichever is started anew, and by whom, reports with the same key.
 *
 * Guarantees: a directory has one key, whoever makes it first; it is readable for its owner only; nodes store a hash of it.
 */

import { createHash, randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync } from 'node:fs';
import type { Logger } from 'pino';
import { writeFileDurably } from './durable-file.js';
import { systemErrorCode } from './system-error.js';

const KEY_BYTES = 32;
const KEY = /^[\x21-\x7e]{16,256}$/;

/** Makes it where there is none. Undefined when that can't be done: then the node is told no hash, and believes whoever reports. */
export function findReportKey(path: string, logger: Logger): string | undefined {
  try {
    return keepReportKey(path);
  } catch (error) {
    logger.error({ err: error }, 'this machine has no key to report with: its node believes whoever reports');
    return undefined;
  }
}

/** Makes it where there is none. Throws what the file system throws. @throws Error when what is there is no key */
export function keepReportKey(path: string): string {
  const key = read(path);
  if (key !== undefined) return key;
  const draft = `${path}.new.${process.pid}`;
  try {
    writeFileDurably(draft, `${randomBytes(KEY_BYTES).toString('hex')}\n`);
    linkSync(draft, path);
  } catch (error) {
    // Another has made it meanwhile.
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  const made = read(path);
  if (made === undefined) throw new Error(`${path} was removed while it was made`);
  return made;
}

/** Writes it again where somebody has removed it. Throws what the file system throws. */
export function restoreReportKey(path: string, key: string): void {
  if (readText(path) !== key) writeFileDurably(path, `${key}\n`);
}

/** What a node is given of it by whoever attaches. */
export function hashOfReportKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function read(path: string): string | undefined {
  const text = readText(path);
  if (text === undefined || KEY.test(text)) return text;
  throw new Error(
    `${path} holds no key; remove it while nothing of owl runs on this machine, and another is made`,
  );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
