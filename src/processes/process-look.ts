/**
 * One look at all processes of this machine, for all who want to know at that moment who of theirs is alive.
 *
 * Guarantees: it begins after it was asked for; whoever lived when it ended was listed, unless it has begun to live after that: it is
 * listed again until nobody new has come, which the kernel may say before that as well, so one that starts another and ends between
 * two readings hides nobody. Who asks before it begins shares it, for it costs as much as there are processes on the machine. Who is
 * older than what is asked about has no part in it, and is not read again at once (process-ages.ts).
 */

import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ProcessIdentity } from '../base/process-identity.js';
import { lastPidGiven, ProcessAges } from './process-ages.js';
import { type ListedProcess, type ProcessTable, pids, readListed, tableOf } from './process-table.js';
import type { ProcessMark } from './records/process-kind.js';

/** A machine that starts processes faster than they can be listed is taken as it was seen. */
const MOST_ROUNDS = 10;

/** Of those that started when the look was asked about, or later. */
export interface ProcessLook extends ProcessTable {
  /** Those that carry it. */
  marked(mark: ProcessMark): ProcessIdentity[];
}

interface Wanted {
  since: number;
  readonly look: Promise<ProcessLook>;
}

let wanted: Wanted | undefined;
let knownAges: ProcessAges | undefined;

/**
 * @param since the start time of the first process that may carry a mark that is asked about, as the kernel writes it: nobody has a
 *   mark, or belongs to that process, who has lived before. Default: whenever
 */
export function lookAtProcesses(since = 0): Promise<ProcessLook> {
  if (wanted === undefined) {
    const next: Wanted = { since, look: nextTurn().then(() => begin(next)) };
    wanted = next;
  }
  wanted.since = Math.min(wanted.since, since);
  return wanted.look;
}

function begin(next: Wanted): ProcessLook {
  wanted = undefined;
  return readLook(next.since);
}

function readLook(since: number): ProcessLook {
  knownAges ??= new ProcessAges();
  const ages = knownAges;
  const found: ListedProcess[] = [];
  const environments: [process: ListedProcess, environment: string][] = [];
  const seen = new Set<number>();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const given = lastPidGiven();
    const listed = pids();
    const fresh = listed.filter((pid) => !seen.has(pid));
    if (round === 0) ages.list(listed, lastPidGiven());
    else if (fresh.length === 0) break;
    for (const pid of fresh) {
      seen.add(pid);
      if (ages.isOlder(pid, since)) continue;
      const one = readListed(pid);
      ages.note(pid, one?.startTime);
      // One that has ended is nobody's parent any more; whoever has its pid next is not asked about.
      if (one === undefined || Number(one.startTime) < since) continue;
      found.push(one);
      environments.push([one, environmentOf(pid)]);
    }
    // Who is being started meanwhile, and is not listed yet, has a parent who is.
    if (ages.nobodyCame(given, lastPidGiven())) break;
  }
  return { ...tableOf(found), marked: (mark) => markedIn(environments, mark) };
}

function markedIn(
  environments: readonly (readonly [process: ListedProcess, environment: string])[],
  mark: ProcessMark,
): ProcessIdentity[] {
  return environments.flatMap(([one, environment]) => (carries(environment, mark) ? one : []));
}

/** @param environment of a process, as the kernel shows it */
export function carries(environment: string, { variable, value }: ProcessMark): boolean {
  const entry = `${variable}=${value}\0`;
  return environment.startsWith(entry) || environment.includes(`\0${entry}`);
}

/** Empty of another user's process, and of one that has just ended. */
export function environmentOf(pid: number): string {
  try {
    return `${readFileSync(`/proc/${pid}/environ`, 'utf8')}\0`;
  } catch {
    return '';
  }
}
