/**
 * A status message as a report: what a supervisor or a log receiver says of a task, checked field by field.
 *
 * Guarantees: what was asked for is never overwritten by a report (an old log collector sends the finished file's name as
 * `dest_path`: it becomes directory and file name); a value that can't be true is refused with its field; within an attempt
 * nothing goes back: an older report only adds what no later one has told.
 */

import { posix } from 'node:path';
import type { PlotTaskContext } from '../../../../../machines/talent/plot-task.js';
import type { Reported } from '../../../../../machines/talent/plot-task-events.js';
import * as rules from '../../../../base/field-rules.js';
import type { PlotDetails, PlotTaskStatus } from '../../wire/messages.js';
import type { Report } from '../plot-task-commands.js';
import { readStatus } from '../plot-task-status.js';
import { type Changes, readReported } from './reported-fields.js';

export type ReportHeader = Omit<Report, 'changes'> & {
  readonly taskId: string;
  readonly commandId: string | undefined;
};

/**
 * Everything of a report but what it tells of the plot.
 * @param now Unix seconds
 * @throws InvalidFieldError naming field and rule
 */
export function readHeader(message: PlotTaskStatus, now: number): ReportHeader {
  rules.optional('worker_id', message.worker_id, rules.isId);
  return {
    taskId: rules.given('task_id', message.task_id, rules.isId),
    commandId: rules.optional('command_id', message.command_id, rules.isId),
    status: readStatus('status', message.status),
    times: readTimes(message, now),
    attempt: rules.optionalNumber('for_attempt', message.for_attempt, rules.isWhole(1, 2 ** 31 - 1)),
    now,
  };
}

/**
 * What a message tells of the plot that the task does not know yet.
 * @throws InvalidFieldError naming field and rule
 */
export function readChanges(message: PlotTaskStatus, { reported, order }: PlotTaskContext): Reported {
  const { directory, name } = readDestination(message.plot_details, order?.dest_path);
  const changes: Changes = {};
  if (directory !== undefined && directory !== reported.dest_dir) changes.dest_dir = directory;
  if (name !== undefined && name !== reported.dest_file_name) changes.dest_file_name = name;
  // What has a field of its own on the wire is read from there.
  readReported(message, reported, changes);
  return isOlder(message, changes, reported) ? untold(changes, reported) : changes;
}

/**
 * It tells of an earlier place in the log than what is known. Log collectors of old tell no offset, but how far the plot is,
 * which never goes back within an attempt.
 */
function isOlder({ log_offset: offset = 0 }: PlotTaskStatus, changes: Reported, known: Reported): boolean {
  if (offset > 0) return offset < (known.log_offset ?? 0);
  return (changes.progress ?? 100) < (known.progress ?? 0);
}

/** What nobody has told yet: it may have been overtaken by a later report. The rest is known better by now. */
function untold(changes: Reported, known: Reported): Reported {
  return Object.fromEntries(Object.entries(changes).filter(([column]) => !Object.hasOwn(known, column)));
}

/** Where the file came to, out of a `dest_path` that is not the one asked for. What has a field of its own is read from there. */
function readDestination(
  { dest_path: path = '', dest_file_name: name = '', dest_dir: directory = '' }: PlotDetails = {},
  askedFor = '',
): { directory?: string; name?: string } {
  if (path === '' || withoutEndSlash(path) === withoutEndSlash(askedFor)) return {};
  rules.check(DEST_PATH, path, rules.isAbsolutePath);
  const last = posix.basename(path);
  const isDirectory = path.endsWith('/') || (name !== '' && name !== last);
  return {
    ...(directory === '' ? { directory: withoutEndSlash(isDirectory ? path : posix.dirname(path)) } : {}),
    ...(isDirectory ? {} : { name: rules.check(DEST_PATH, last, rules.isFileName) }),
  };
}

const DEST_PATH = 'plot_details.dest_path';

function withoutEndSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') || '/' : path;
}

function readTimes(message: PlotTaskStatus, now: number): Report['times'] {
  const isPointInTime = rules.isPointInTime(now);
  const time = (name: 'pending_time' | 'started_time' | 'running_time' | 'finished_time') =>
    rules.optionalNumber(name, message[name], isPointInTime);
  rules.optionalNumber('received_time', message.received_time, isPointInTime);
  const [pending, started, running, finished] = [
    time('pending_time'),
    time('started_time'),
    time('running_time'),
    time('finished_time'),
  ];
  return { pending, started, running, finished };
}
