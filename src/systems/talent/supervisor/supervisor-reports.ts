/**
 * What a supervisor tells talent of its tasks, as messages. Pure. Each says which attempt it is about and has a command id,
 * so that one that is sent again changes nothing.
 */

import type { PlotEnd, PlotKey, PlotRecord } from '../machine/plot-record.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { reportHeader } from '../wire/report-id.js';

/** Set before what is hashed. Changing it changes every id. */
/** The supervisor has taken notice; `reason` says why the task waits. @param nonce one per report */
export function pendingReport(key: PlotKey, reason: string, nonce: string, nowMs: number): PlotTaskStatus {
  return {
    ...header(key, 'pending', nonce),
    status: 'pending',
    pending_time: nowMs / 1000,
    remarks: reason,
  };
}

/** No process came to be, and none will. */
export function notStartedReport(key: PlotKey, reason: string): PlotTaskStatus {
  return { ...header(key, 'not started'), status: 'failed', remarks: reason };
}

export function startedReport(record: PlotRecord, logPid: number | undefined): PlotTaskStatus {
  return {
    ...header(record, 'started'),
    status: 'started',
    plot_pid: record.process.pid,
    started_time: record.started_time,
    // What stood there was why it had to wait.
    remarks: `made by plotter ${record.plotter}`,
    ...logPidField(logPid),
  };
}

/** Another log receiver follows the plot from now on. */
export function logPidReport(key: PlotKey, logPid: number, nonce: string): PlotTaskStatus {
  return { ...header(key, 'log pid', nonce), ...logPidField(logPid) };
}

export function remarkReport(key: PlotKey, remarks: string, nonce: string): PlotTaskStatus {
  return { ...header(key, 'remark', nonce), remarks };
}

/** @param end undefined when there was no process to stop; @param problems what could not be cleared away */
export function stoppedReport(
  key: PlotKey,
  end: PlotEnd | undefined,
  problems: readonly string[],
): PlotTaskStatus {
  const { exit_code = null, exit_signal = null } = end ?? {};
  return {
    ...header(key, 'stopped'),
    status: 'stopped',
    ...(exit_code === null ? {} : { exit_code }),
    ...(exit_signal === null ? {} : { exit_signal }),
    ...(problems.length === 0 ? {} : { remarks: problems.join('\n') }),
  };
}

/** A stop came too late: its plot is in its place. */
export function finishedReport(key: PlotKey, end: PlotEnd, remarks: string): PlotTaskStatus {
  return {
    ...stoppedReport(key, end, [remarks]),
    ...header(key, 'finished'),
    status: 'finished',
    finished_time: end.ended_time,
  };
}

function header(key: PlotKey, kind: string, nonce = ''): PlotTaskStatus {
  return reportHeader('supervisor', key, [kind, nonce]);
}

function logPidField(logPid: number | undefined): PlotTaskStatus {
  return logPid === undefined ? {} : { log_pid: logPid };
}
