/** Pieces of the logs of payloads, for whoever follows them. */

import { open } from 'node:fs/promises';
import { messageOf } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { LogPiece, ReadLog } from '../wire/pilot-messages.js';
import type { PilotDirectory } from './pilot-directory.js';

const LONGEST = 1024 * 1024;
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/**
 * From the offset on, counted from the end when it is negative. Never rejects: what can't be read says why.
 * @param isOver whether nothing more comes
 */
export async function pieceOf(
  { request_id = '', job = '', attempt = 0, offset = 0, length }: ReadLog,
  directory: PilotDirectory,
  isOver: boolean,
): Promise<LogPiece> {
  if (!PLAIN.test(job) || !Number.isSafeInteger(offset))
    return { request_id, problem: 'this names no log of a job' };
  const path = directory.payloads.logPathOf({ job, attempt });
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const from = Math.min(offset < 0 ? Math.max(0, size + offset) : offset, size);
      const wanted = length === undefined || length <= 0 ? LONGEST : Math.min(length, LONGEST);
      const buffer = Buffer.alloc(Math.min(wanted, size - from));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
      const content = buffer.subarray(0, bytesRead);
      return { request_id, content, offset: from, size, complete: isOver && from + bytesRead >= size };
    } finally {
      await file.close();
    }
  } catch (error) {
    const problem =
      systemErrorCode(error) === 'ENOENT'
        ? `attempt ${attempt} of job ${job} has no log here`
        : messageOf(error);
    return { request_id, problem };
  }
}
