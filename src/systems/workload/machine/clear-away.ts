/** What is done with the files of an attempt once its node has taken note of how it came out. */

import type { Logger } from 'pino';
import { removeFile } from '../../../base/durable-file.js';
import type { PilotTold } from '../wire/pilot-messages.js';
import { removeStored } from './outputs.js';
import type { PayloadEnvironment } from './payload-environment.js';
import type { RunningPayload } from './running-payload.js';

export interface Settled {
  readonly job: string;
  readonly attempt: number | undefined;
  readonly running: RunningPayload | undefined;
}

/** Takes back what an attempt has stored that nobody wants. What of it still lives goes before. */
export async function takeBack(payload: RunningPayload | undefined, logger: Logger): Promise<void> {
  if (payload === undefined) return;
  await payload.endRest();
  const problems = await removeStored(payload.record.stored);
  if (problems.length > 0) logger.error({ problems }, 'files of a job may be left over');
}

/** The record goes last: while it is there, whoever comes next knows how this came out. */
export function clearAway(
  { job, attempt = 0, running }: Settled,
  told: PilotTold | undefined,
  { claims, directory, works }: PayloadEnvironment,
  logger: Logger,
): void {
  const key = { job, attempt };
  claims.remove(job);
  try {
    works.remove(directory.workOf(key));
    // It lies in the storage.
    if ((told?.finished ?? told?.failed)?.log !== undefined) removeFile(directory.payloads.logPathOf(key));
  } catch (error) {
    logger.error({ err: error }, 'a working directory is left over');
  }
  running?.remove();
}
