/**
 * Why a job waits, in one sentence with figures, as things stand now. What runs or has ended says so by its row.
 *
 * Guarantee: it is worked out from what the queue and the executor go by, so that a job that waits always has a reason.
 */

import { numberIn, type SqlRow, textIn } from '../../../../base/sql.js';
import type { Off } from '../switches/off.js';
import { executablesOf, type JobQueries, type Offer } from './job-queries.js';

/** What is the same for all jobs of one request. */
export interface Standing {
  readonly offers: readonly Offer[];
  /** Unix seconds. */
  readonly now: number;
  readonly unknownAfterSeconds: number;
  /** Whether to count what is before it. */
  readonly counts: boolean;
  /** What was worked out already: pilots that offer an executable and are away. */
  readonly away: Map<string, readonly string[]>;
  /** The executor is switched off. */
  readonly off: Off | undefined;
  /** Why the queue takes and gives nothing. */
  readonly queueAway?: string | undefined;
}

/** Undefined: what its row says is all there is. @param row of job_dat, with task_held and task_state */
export function whyWaits(queries: JobQueries, row: SqlRow, standing: Standing): string | undefined {
  const { state } = row;
  if (state === 'cancelling') return whyCancelling(queries, row);
  if (state !== 'created' && state !== 'queued') return undefined;
  return (
    ofItsTask(row) ??
    ofTheSwitch(row, standing.off) ??
    untilLater(row, standing.now) ??
    ofBroker(standing.queueAway) ??
    ofPilots(queries, row, standing) ??
    ofQueue(queries, row, standing)
  );
}

function ofBroker(away: string | undefined): string | undefined {
  return away === undefined ? undefined : `waits for the broker: ${away}`;
}

function whyCancelling(queries: JobQueries, row: SqlRow): string {
  const name = String(row['pilot']);
  const pilot = queries.pilot(name);
  const status = pilot?.['status'];
  if (status === 'active' || status === 'draining') return `waits until pilot ${name} has ended it`;
  return `waits for pilot ${name}, ${goneSince(pilot ?? {})}: its keeper ends what it runs by itself`;
}

/** Of a pilot that is not here. */
export function goneSince({ status = 'unknown', lost_time: lost, last_report_time: heard }: SqlRow): string {
  if (typeof lost !== 'number') return String(status);
  return silentSince(lost, typeof heard === 'number' ? heard : undefined);
}

/** @param lost when its lease was over @param heard when it was heard last, if that is known; Unix seconds */
export function silentSince(lost: number, heard: number | undefined): string {
  const when = new Date((heard ?? lost) * 1000).toISOString();
  return heard === undefined ? `silent since before ${when}` : `silent since ${when}`;
}

function ofItsTask(row: SqlRow): string | undefined {
  if (row['task_held'] === 1) return 'its task is held';
  const state = row['task_state'];
  const goesOn =
    state === null || state === undefined || ['registered', 'splitting', 'running'].includes(String(state));
  return goesOn ? undefined : `its task is ${String(state)}: nothing of it begins any more`;
}

function ofTheSwitch(row: SqlRow, off: Off | undefined): string | undefined {
  if (off === undefined) return undefined;
  if (row['state'] === 'created') return `is not queued: ${off.sentence}`;
  return off.isStrict ? `is not granted: ${off.sentence}` : undefined;
}

function untilLater(row: SqlRow, now: number): string | undefined {
  const left = numberIn(row, 'not_before') - now;
  if (row['state'] !== 'created' || left <= 0 || left > 301) return undefined;
  const failure = row['failure_class'] === null ? '' : ` (${String(row['failure_class'])})`;
  return `attempt ${String(row['attempt'])} has failed${failure}; the next one may begin in ${Math.ceil(left)} s`;
}

function ofPilots(queries: JobQueries, row: SqlRow, standing: Standing): string | undefined {
  const [executable, device] = [textIn(row, 'executable'), textIn(row, 'device_type')];
  const able = standing.offers.filter(
    ({ deviceType, executables }) => deviceType === device && executables.has(executable),
  );
  if (able.length === 0) return nobodyIsHere(queries, row, standing);
  const memory = row['memory_mib'];
  if (typeof memory !== 'number') return undefined;
  const most = Math.max(...able.map(({ memoryMib = Number.POSITIVE_INFINITY }) => memoryMib));
  if (most >= memory) return undefined;
  return `needs ${memory} MiB of memory, and of the pilots that offer ${executable} none has more than ${most}`;
}

function nobodyIsHere(
  queries: JobQueries,
  row: SqlRow,
  { now, unknownAfterSeconds, away }: Standing,
): string {
  const [executable, device] = [textIn(row, 'executable'), textIn(row, 'device_type')];
  const key = `${device}/${executable}`;
  const known = away.get(key) ?? awayOf(queries, device, executable);
  away.set(key, known);
  if (known.length > 0) {
    const some = known.slice(0, 3).join(', ');
    const more = known.length > 3 ? ` and ${known.length - 3} more are away` : '';
    return `no ${device} pilot that takes work offers ${executable}: ${some}${more}`;
  }
  const left = Math.max(0, Math.ceil(numberIn(row, 'update_time') + unknownAfterSeconds - now));
  // A node that was restarted counts anew.
  const when = left > 0 ? `in about ${left} s` : 'soon';
  return `no ${device} pilot offers ${executable} yet; it fails as executable_unknown ${when} unless one comes`;
}

/** Each with what it is instead of here. */
function awayOf(queries: JobQueries, device: string, executable: string): string[] {
  return queries
    .pilotsOf(device)
    .filter((pilot) => executablesOf(textIn(pilot, 'executables')).has(executable))
    .map((pilot) => `${String(pilot['name'])} is ${String(pilot['status'])}`);
}

function ofQueue(queries: JobQueries, row: SqlRow, { offers, counts }: Standing): string {
  const [executable, device] = [textIn(row, 'executable'), textIn(row, 'device_type')];
  const able = offers.filter(
    ({ deviceType, executables }) => deviceType === device && executables.has(executable),
  );
  const slots = able.reduce((sum, one) => sum + one.slots, 0);
  const free = able.reduce((sum, one) => sum + Math.max(one.slots - one.slotsUsed, 0), 0);
  const pilots = able.length === 1 ? '1 pilot' : `${able.length} pilots`;
  const ahead = counts ? `, and ${jobsBefore(queries.before(row))} before it` : '';
  const room = noRoom(row, able, free);
  return free > 0 && room === ''
    ? `is about to be claimed: ${free} of ${slots} slots of ${pilots} that offer ${executable} are free${ahead}`
    : `waits for a slot: ${slots - free} of ${slots} slots of ${pilots} that offer ${executable} are taken${ahead}${room}`;
}

function jobsBefore(jobs: number): string {
  return jobs === 1 ? '1 job is' : `${jobs} jobs are`;
}

function noRoom(row: SqlRow, able: readonly Offer[], free: number): string {
  const memory = row['memory_mib'];
  if (typeof memory !== 'number' || free === 0) return '';
  const left = able.map(
    ({ memoryMib = Number.POSITIVE_INFINITY, memoryUsedMib }) => memoryMib - memoryUsedMib,
  );
  const most = Math.max(...left);
  return most >= memory ? '' : `; it needs ${memory} MiB of memory, and ${Math.max(most, 0)} are free`;
}
