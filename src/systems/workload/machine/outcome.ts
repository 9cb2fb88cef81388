/** What the end of a payload means. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ProcessEnd } from '../../../processes/records/process-record.js';
import { AttemptError, type FailureClass } from './failure.js';
import type { PayloadRecord } from './payload-record.js';

/** What makes a pilot end a payload of itself. */
const ENDED_FROM_HERE: readonly FailureClass[] = [
  ...(['looping', 'out_of_memory', 'pilot_lost', 'pilot_stopped', 'time_limit', 'log_limit'] as const),
];
const LAST_BYTES = 300;
const MIB = 1024 * 1024;

/**
 * Undefined when it did what it was to do, as far as its exit code says.
 * @param sinceBootMs when that was noticed
 */
export function failureIn(
  record: PayloadRecord,
  end: ProcessEnd,
  sinceBootMs: number,
): AttemptError | undefined {
  const { stopping } = record;
  const failed = (failureClass: FailureClass, why: string) => new AttemptError(failureClass, why);
  const ended = ENDED_FROM_HERE.find((one) => one === stopping?.why);
  if (stopping !== undefined && ended !== undefined) return failed(ended, stopping.detail);
  if (end.out_of_memory === true)
    return failed(
      'out_of_memory',
      `its processes took more than the ${record.order.memory_mib} MiB that they may have`,
    );
  if (end.ended_by === 'log_limit')
    return failed('log_limit', `it printed more than ${Math.floor(record.log_limit_bytes / MIB)} MiB`);
  if (end.ended_by === 'deadline')
    return record.limit_ms !== undefined && sinceBootMs >= record.limit_ms
      ? failed('time_limit', `it took longer than the ${record.limit_seconds} s that it may take`)
      : failed(
          'pilot_lost',
          'the node had confirmed no heartbeat of the pilot for so long that its keeper ended it',
        );
  if (end.exit_code === null && end.exit_signal === null)
    return failed(
      record.bystander === true ? 'keeper_lost' : 'end_unknown',
      end.reason ?? 'nobody saw how it ended',
    );
  if (end.exit_signal !== null)
    return failed('payload_signal', `it was ended by ${end.exit_signal}${lastWords(record.log_path)}`);
  if (end.exit_code === 0) return undefined;
  return failed('payload_exit', `it ended with exit code ${end.exit_code}${lastWords(record.log_path)}`);
}

/** The last line of its log, where there is any. */
function lastWords(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, LAST_BYTES));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const line = buffer.toString('utf8').trimEnd().split('\n').at(-1)?.trim() ?? '';
    const printable = line.replace(/[^\P{C}]+/gu, ' ');
    return printable === '' ? '' : `; it printed last: ${printable}`;
  } catch {
    return '';
  } finally {
    closeSync(file);
  }
}
