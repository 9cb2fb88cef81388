/** What can be seen of a log itself, once nobody writes to it any more, that says it does not hold all that was printed. */

import { open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorCode } from '../../../base/system-error.js';

const NEWLINE = 10;

/** @returns sentences; none when the log looks whole or can't be looked at */
export async function lacksInLog(path: string): Promise<string[]> {
  const [lastByte, isFull] = await Promise.all([
    lastByteOf(path).catch((error: unknown) => (systemErrorCode(error) === 'ENOENT' ? null : NEWLINE)),
    hasNoFreeBlock(path).catch(() => false),
  ]);
  const gaps: string[] = [];
  if (lastByte === undefined) gaps.push('its log is empty');
  else if (lastByte === null) gaps.push('its log is gone');
  else if (lastByte !== NEWLINE) gaps.push('its log ends in the middle of a line');
  if (isFull) gaps.push('the disk of its log has no free block');
  return gaps;
}

/** Undefined when it has none. */
async function lastByteOf(path: string): Promise<number | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size === 0) return undefined;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0];
  } finally {
    await file.close();
  }
}

async function hasNoFreeBlock(path: string): Promise<boolean> {
  const { bavail } = await statfs(dirname(path));
  return bavail <= 0;
}
