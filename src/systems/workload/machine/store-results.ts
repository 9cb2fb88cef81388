/**
 * Puts what a payload has written, and its log, into the storage, and says so in the words of a report.
 *
 * Guarantee: of a failed attempt nothing but its log stays there.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.js';
import type { ProcessEnd } from '../../../processes/records/process-record.js';
import { nameOfAttempt } from '../wire/attempt-names.js';
import type { JobOutput, PilotTold, WrittenFile } from '../wire/pilot-messages.js';
import { AttemptError } from './failure.js';
import { flushNames, removeStored, type StoreOptions, storeFile } from './outputs.js';
import type { PayloadEnvironment } from './payload-environment.js';
import type { Order, PayloadRecord } from './payload-record.js';
import type { RunningPayload } from './running-payload.js';
import { type Storage, unavailable } from './storage.js';
import { whileStorageIsAway } from './storage-patience.js';
import { failedTold } from './told.js';
import { writtenAt } from './work-directory.js';

/** @throws AttemptError, or the signal's reason */
export async function storeResults(
  payload: RunningPayload,
  end: ProcessEnd,
  env: PayloadEnvironment,
  signal: AbortSignal,
): Promise<PilotTold> {
  const { record } = payload;
  const { claim_id, order, job } = record;
  const work = env.directory.workOf(record);
  const { outputs = [], log } = order;
  try {
    const stored = await whileStorageIsAway(env, signal, async () => {
      const options = await placeOf(payload, env, signal);
      const written: WrittenFile[] = [];
      for (const { uid = '', file_name: fileName = '' } of outputs) {
        const source = writtenAt(work, fileName);
        const storedName = nameOfAttempt(fileName, record.attempt);
        const file = { uid, fileName, storedName, source, largestBytes: record.largest_output };
        written.push(await storeFile(file, options));
      }
      const writtenLog = log === undefined ? undefined : await storeLog(record, log, options);
      await flushNames(options);
      return { written, log: writtenLog };
    });
    return {
      command_id: `${claim_id}.finished`,
      finished: {
        ...{ job, claim_id, exit_code: end.exit_code ?? 0, outputs: stored.written },
        ...(stored.log === undefined ? {} : { log: stored.log }),
        ...usageOf(end),
        wall_seconds: Math.max(0, end.ended_time - record.started_time),
      },
    };
  } catch (error) {
    await removeStored(payload.record.stored);
    throw error;
  }
}

/** How it failed. Its log is stored where that can be done. */
export async function failedReport(
  payload: RunningPayload,
  end: ProcessEnd | undefined,
  failure: AttemptError,
  env: PayloadEnvironment,
  signal: AbortSignal,
): Promise<PilotTold> {
  const { record } = payload;
  const { log } = record.order;
  let stored: WrittenFile | undefined;
  let detail = failure.message;
  try {
    if (log !== undefined) {
      const options = await placeOf(payload, env, signal);
      stored = await storeLog(record, log, options);
      await flushNames(options);
    }
  } catch (error) {
    signal.throwIfAborted();
    detail = `${detail}; its log could not be stored (${messageOf(error)})`;
  }
  return failedTold(record, failure, detail, {
    ...(end?.exit_code == null ? {} : { exit_code: end.exit_code }),
    ...(end?.exit_signal == null ? {} : { exit_signal: end.exit_signal }),
    ...(stored === undefined ? {} : { log: stored }),
  });
}

/** Where its files go. What it is going to store is written down before. */
async function placeOf(
  payload: RunningPayload,
  { storage }: PayloadEnvironment,
  signal: AbortSignal,
): Promise<StoreOptions> {
  const { order, job, attempt, stored } = payload.record;
  const { data_out_url: url = '', outputs = [], log = {} } = order;
  const under = directoryIn({ ...order, job });
  const directory = await writable(storage, url, under);
  const names = [...outputs, log].flatMap(({ file_name: name }: JobOutput) => name ?? []);
  const planned = names.map((name) => join(directory, nameOfAttempt(name, attempt)));
  const mayReplace = new Set(stored);
  const own = planned.filter((path) => mayReplace.has(path) || !existsSync(path));
  if (own.some((path) => !mayReplace.has(path))) payload.change({ stored: own });
  const disown = (path: string): void =>
    payload.change({ stored: payload.record.stored.filter((one) => one !== path) });
  return { directory, under, mayReplace, disown, signal };
}

/** Where an order's files go. */
export function directoryIn({ task, job = '' }: Pick<Order, 'task' | 'job'>): string {
  return task === undefined || task === '' ? job : task;
}

/** @throws AttemptError */
export async function writable(storage: Storage, url: string, under: string): Promise<string> {
  try {
    return await storage.directory(url, under);
  } catch (error) {
    throw error instanceof AttemptError ? error : unavailable(url, error);
  }
}

async function storeLog(
  { log_path, attempt }: PayloadRecord,
  { uid = '', file_name: fileName = '' }: JobOutput,
  options: StoreOptions,
): Promise<WrittenFile> {
  const storedName = nameOfAttempt(fileName, attempt);
  return await storeFile({ uid, fileName, storedName, source: log_path }, options);
}

function usageOf({ usage }: ProcessEnd): { cpu_seconds?: number; max_rss?: number } {
  return {
    ...(usage?.cpu_seconds === undefined ? {} : { cpu_seconds: usage.cpu_seconds }),
    ...(usage?.memory_bytes === undefined ? {} : { max_rss: usage.memory_bytes }),
  };
}
