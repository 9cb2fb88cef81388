/**
 * The logs of processes that are over, of which there would otherwise be more every day.
 *
 * Guarantees: a log goes once its process is settled and nothing was written to it for as long as is configured; nothing but logs
 * goes, and none while it is not known which are settled; what can't be removed is reported and harms nothing else.
 */

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { every } from '../../base/repeat.js';
import type { ProcessRecords } from './process-records.js';

const DAY_MS = 86_400_000;

export interface OldLogsOptions<Key extends object, Own extends Key> {
  readonly records: ProcessRecords<Key, Own>;
  /** How long logs are kept; 0 keeps them for ever. */
  readonly keepDays: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Removes old logs now and every day, until the signal aborts. */
export async function removeOldLogs<Key extends object, Own extends Key>(
  options: OldLogsOptions<Key, Own>,
): Promise<void> {
  const { keepDays, clock, logger, signal } = options;
  const { noun } = options.records.kind;
  if (keepDays === 0) return;
  await every({ clock, pauseMs: DAY_MS, signal }, async () => {
    try {
      const removed = await removeOnce(options);
      if (removed > 0) logger.info({ removed, keepDays }, `old ${noun} logs removed`);
    } catch (error) {
      logger.warn({ reason: messageOf(error) }, `old ${noun} logs can not be removed; trying again tomorrow`);
    }
  });
}

/** @returns how many */
async function removeOnce<Key extends object, Own extends Key>(
  options: OldLogsOptions<Key, Own>,
): Promise<number> {
  const { records, keepDays, clock, logger } = options;
  const { directory } = records;
  const names = (await readdir(directory.logs)).filter((name) => directory.nameOfLog(name) !== undefined);
  // Read after the names: a process that has begun meanwhile is not among them.
  const { processes, problems } = records.readAll();
  const [problem] = problems;
  if (problem !== undefined)
    throw new OwlError('unavailable', `which logs are still needed is not known: ${problem}`);
  const unsettled = new Set(processes.map(({ record }) => record.log_path));
  let removed = 0;
  for (const path of names.map((name) => join(directory.logs, name))) {
    if (unsettled.has(path)) continue;
    try {
      const entry = await stat(path);
      if (!entry.isFile() || clock.now() - entry.mtimeMs < keepDays * DAY_MS) continue;
      await rm(path);
      removed++;
    } catch (error) {
      logger.warn({ path, reason: messageOf(error) }, `an old ${records.kind.noun} log can not be removed`);
    }
  }
  return removed;
}
