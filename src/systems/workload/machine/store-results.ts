/**
 * Puts what a payload has written, and its log, into the storage, and says so in the words of a report.
 *
 * Guarantee: of a failed attempt nothing but its log stays there.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.js';
import { together } from '../../../base/together.js';
import type { ProcessEnd } from '../../../processes/records/process-record.js';
import { directoryOf } from '../storage-url.js';
import { nameOfAttempt } from '../wire/attempt-names.js';
import type { JobOutput, PilotTold, WrittenFile } from '../wire/pilot-messages.js';
import { AttemptError } from './failure.js';
import { flushNames, removeStored, type StoreOptions, storeFile, type ToStore } from './outputs.js';
import type { PayloadEnvironment } from './payload-environment.js';
import type { Order, PayloadRecord } from './payload-record.js';
import type { RunningPayload } from './running-payload.js';
import { unavailable } from './storage.js';
import { whileStorageIsAway } from './storage-patience.js';
import { failedTold } from './told.js';
import { writtenAt } from './work-directory.js';

/** Files of one job that are stored together. */
const AT_ONCE = 8;

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
      const files = outputs.map(({ uid = '', file_name: fileName = '' }) => {
        const source = writtenAt(work, fileName);
        const storedName = nameOfAttempt(fileName, record.attempt);
        return { uid, fileName, storedName, source, largestBytes: record.largest_output };
      });
      const all = await storeAll(files, log && logOf(record, log), options);
      await flushNames(options);
      return all;
    });
    return {
      command_id: `${claim_id}.finished`,
      finished: {
        ...{ job, claim_id, exit_code: end.exit_code ?? 0, outputs: stored.written },
        ...(stored.log === undefined ? {} : { log: stored.log }),
        ...usageOf(end),
        wall_seconds: end.ran_seconds ?? Math.max(0, end.ended_time - record.started_time),
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
      stored = await storeFile(logOf(record, log), options);
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
  // It was there before this attempt began.
  const { path: directory, isNear } = await whereWritable(url, () =>
    storage.directory(url, under, join(directoryOf(url), under)),
  );
  const names = [...outputs, log].flatMap(({ file_name: name }: JobOutput) => name ?? []);
  const planned = names.map((name) => join(directory, nameOfAttempt(name, attempt)));
  const mayReplace = new Set(stored);
  const own = planned.filter((path) => mayReplace.has(path) || !existsSync(path));
  if (own.some((path) => !mayReplace.has(path))) payload.change({ stored: own });
  const disown = (path: string): void =>
    payload.change({ stored: payload.record.stored.filter((one) => one !== path) });
  return { directory, isNear, under, mayReplace, disown, flushes: storage.flushes, signal };
}

/** Where an order's files go. */
export function directoryIn({ task, job = '' }: Pick<Order, 'task' | 'job'>): string {
  return task === undefined || task === '' ? job : task;
}

/** @throws AttemptError */
export async function whereWritable<T>(url: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    throw error instanceof AttemptError ? error : unavailable(url, error);
  }
}

function logOf(
  { log_path, attempt }: PayloadRecord,
  { uid = '', file_name: fileName = '' }: JobOutput,
): ToStore {
  return { uid, fileName, storedName: nameOfAttempt(fileName, attempt), source: log_path };
}

/** Each waits for its flush, and flushes that are under way together cost about as much as one. */
async function storeAll(
  outputs: readonly ToStore[],
  log: ToStore | undefined,
  options: StoreOptions,
): Promise<{ readonly written: WrittenFile[]; readonly log: WrittenFile | undefined }> {
  const files = log === undefined ? outputs : [...outputs, log];
  const limits = { atOnce: AT_ONCE, signal: options.signal };
  const stored = await together(files, limits, (file, _index, signal) =>
    storeFile(file, { ...options, signal }),
  );
  return { written: stored.slice(0, outputs.length), log: stored[outputs.length] };
}

function usageOf({ usage }: ProcessEnd): { cpu_seconds?: number; max_rss?: number } {
  return {
    ...(usage?.cpu_seconds === undefined ? {} : { cpu_seconds: usage.cpu_seconds }),
    ...(usage?.memory_bytes === undefined ? {} : { max_rss: usage.memory_bytes }),
  };
}
