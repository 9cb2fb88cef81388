/**
 * A piece of a job's log: of the pilot that has it, while it is connected to this node, else of the file that it has stored, where
 * this node sees that.
 *
 * Guarantees: an attempt has a log of its own, and is named with each piece; a piece is answered only by the pilot that was asked; a
 * pilot that does not answer is waited for no longer than so long; what is read of the disk is a regular file below the directory
 * that the job writes to, wherever links lead.
 */

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../../../base/clock.js';
import { InvalidFieldError, OwlError } from '../../../../base/errors.js';
import { type SqlRow, textIn } from '../../../../base/sql.js';
import { nameOfAttempt } from '../../wire/attempt-names.js';
import type { JobOrder } from './job-orders.js';

export const LARGEST_PIECE = 1024 * 1024;
const ANSWERS_WITHIN_MS = 5_000;
const MOST_ASKED = 1_000;
const UNDER_WAY = ['staging', 'running', 'cancelling'];

export interface LogPiece {
  readonly content: Uint8Array;
  readonly offset: number;
  readonly size: number;
  readonly complete: boolean;
}

export interface AskedPiece {
  readonly job: string;
  readonly attempt: number;
  /** Negative: from the end. */
  readonly offset: number;
  readonly length: number;
}

/** What a pilot answers; every field may be missing. */
export interface ToldPiece {
  readonly request_id?: string;
  readonly content?: Uint8Array;
  readonly offset?: number;
  readonly size?: number;
  readonly complete?: boolean;
  readonly problem?: string;
}

/** Pieces that pilots were asked for. */
export class LogRequests {
  private readonly clock: Clock;
  private readonly asked = new Map<
    string,
    { readonly pilot: string; readonly settle: (piece: ToldPiece | undefined) => void }
  >();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @returns undefined where no answer comes in time */
  ask(pilot: string, send: (requestId: string) => void): Promise<ToldPiece | undefined> {
    if (this.asked.size >= MOST_ASKED)
      throw new OwlError('retryable', 'too many pieces of logs are being asked for; ask again later');
    const requestId = randomUUID();
    return new Promise((resolve) => {
      const settle = (piece: ToldPiece | undefined): void => {
        cancel();
        this.asked.delete(requestId);
        resolve(piece);
      };
      const cancel = this.clock.after(ANSWERS_WITHIN_MS, () => settle(undefined));
      this.asked.set(requestId, { pilot, settle });
      send(requestId);
    });
  }

  /** Of nobody's request, or of another pilot: nothing is done with it. */
  take(pilot: string, piece: ToldPiece): void {
    const request = this.asked.get(piece.request_id ?? '');
    if (request?.pilot === pilot) request.settle(piece);
  }

  /** It is not connected any more. */
  gone(pilot: string): void {
    for (const request of this.asked.values()) if (request.pilot === pilot) request.settle(undefined);
  }

  stop(): void {
    for (const { settle } of this.asked.values()) settle(undefined);
  }
}

/** Asks a pilot that is connected; undefined where it is not, or has no log of that. */
export type AskPilot = (pilot: string, piece: AskedPiece) => Promise<ToldPiece | undefined>;

/** The attempt whose log is asked for. @throws InvalidFieldError */
export function attemptOf(row: SqlRow, asked: number | undefined): number {
  const newest = Number(row['attempt'] ?? 0);
  if (newest === 0)
    throw new OwlError('not_found', `job ${textIn(row, 'id')} has not been begun, so it has no log yet`, {
      reason: 'log_not_found',
    });
  if (asked === undefined) return newest;
  if (asked <= newest) return asked;
  throw new InvalidFieldError('attempt', `must be a whole number from 1 to ${newest}`);
}

/** @throws OwlError kind `not_found`, reason `log_not_found` */
export async function readLog(
  row: SqlRow,
  order: JobOrder,
  piece: AskedPiece,
  askPilot: AskPilot,
): Promise<LogPiece> {
  const isUnderWay = UNDER_WAY.includes(textIn(row, 'state')) && piece.attempt === row['attempt'];
  const pilot = typeof row['pilot'] === 'string' ? row['pilot'] : undefined;
  const told = pilot === undefined ? undefined : await askPilot(pilot, piece);
  if (told !== undefined && (told.problem ?? '') === '')
    return {
      content: (told.content ?? new Uint8Array()).subarray(0, LARGEST_PIECE),
      ...{ offset: told.offset ?? 0, size: told.size ?? 0, complete: told.complete ?? false },
    };
  const stored = await readStored(order, piece);
  if (stored !== undefined) return { ...stored, complete: !isUnderWay };
  const where = pilot === undefined ? '' : ` lies with pilot ${pilot}, which does not answer here, and`;
  throw new OwlError(
    'not_found',
    `the log of attempt ${piece.attempt} of job ${piece.job}${where} is not to be seen from this node in ${order.dataOutUrl}`,
    { reason: 'log_not_found' },
  );
}

async function readStored(
  order: JobOrder,
  piece: AskedPiece,
): Promise<Omit<LogPiece, 'complete'> | undefined> {
  try {
    const root = await realpath(fileURLToPath(order.dataOutUrl));
    const name = nameOfAttempt(order.log.file_name, piece.attempt);
    const path = await realpath(posix.join(root, order.task ?? piece.job, name));
    if (!path.startsWith(`${root}/`)) return undefined;
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      if (!found.isFile()) return undefined;
      const { size } = found;
      const offset = Math.min(piece.offset < 0 ? Math.max(size + piece.offset, 0) : piece.offset, size);
      const buffer = Buffer.alloc(Math.min(piece.length, size - offset));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
      return { content: buffer.subarray(0, bytesRead), offset, size };
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
