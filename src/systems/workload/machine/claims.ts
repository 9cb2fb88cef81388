/**
 * What this pilot has asked for and not settled, as files: written before the node is asked.
 *
 * Guarantees: whatever was granted is known to the next pilot of the directory, also where this one died before it heard of the
 * grant: it asks again under the same command id, and is answered as the first time.
 */

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { removeFile, removeTemporaries, writeFileWhole } from '../../../base/durable-file.js';
import { messageOf } from '../../../base/errors.js';
import { type Checks, fits, isCount, isText } from '../../../processes/records/checks.js';
import type { Hint } from '../wire/pilot-messages.js';

export interface Claim {
  readonly job: string;
  readonly cur_retry: number;
  /** Of the command that asks for it. */
  readonly command_id: string;
}

const CHECKS: Checks<Claim> = { job: isText, cur_retry: isCount, command_id: isText };
const SUFFIX = '.json';
/** What a job is called, and so may be the name of a file. */
const JOB = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Undefined of a hint that names no job. */
export function claimOf({ job = '', cur_retry = 0 }: Hint): Claim | undefined {
  return JOB.test(job) ? { job, cur_retry, command_id: randomUUID() } : undefined;
}

export class Claims {
  private readonly folder: string;
  private readonly logger: Logger;
  private unwritable: string | undefined;

  /** @param folder absolute; has to be there */
  constructor(folder: string, logger: Logger) {
    this.folder = folder;
    this.logger = logger;
  }

  /** What the file system said of the last one that could not be written; undefined once they can be. */
  get problem(): string | undefined {
    return this.unwritable;
  }

  /** @returns whether it is: else nothing may be asked for */
  write(claim: Claim): boolean {
    return this.attempt(() => writeFileWhole(this.pathOf(claim.job), `${JSON.stringify(claim)}\n`));
  }

  /** Whether what could not be written can be now. To be called now and then. */
  look(): void {
    if (this.unwritable === undefined) return;
    const probe = join(this.folder, 'probe');
    const isWritable = this.attempt(() => {
      writeFileWhole(probe, `${randomUUID()}\n`);
      removeFile(probe);
    });
    if (isWritable) this.logger.info('claims can be written again');
  }

  private attempt(write: () => void): boolean {
    try {
      write();
      this.unwritable = undefined;
    } catch (error) {
      const reason = messageOf(error);
      if (this.unwritable === undefined)
        this.logger.error({ reason }, 'nothing can be claimed: the data directory can not be written');
      this.unwritable = reason;
    }
    return this.unwritable === undefined;
  }

  remove(job: string): void {
    removeFile(this.pathOf(job));
  }

  /** One that can't be read is of a loss of power, and is dropped: the node misses it, and gives the job to another. */
  readAll(): Claim[] {
    removeTemporaries(this.folder);
    return readdirSync(this.folder)
      .filter((name) => name.endsWith(SUFFIX))
      .flatMap((name) => {
        const path = join(this.folder, name);
        const claim = read(path);
        if (claim === undefined) rmSync(path, { force: true });
        return claim ?? [];
      });
  }

  private pathOf(job: string): string {
    return join(this.folder, job + SUFFIX);
  }
}

function read(path: string): Claim | undefined {
  try {
    const claim: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return fits(claim, CHECKS) && JOB.test(claim.job) ? claim : undefined;
  } catch {
    return undefined;
  }
}
