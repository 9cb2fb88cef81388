/**
 * What ends a process from the keeper: its deadline, the limit of its logs, the end of its owner.
 *
 * Guarantees: a deadline is counted in time since boot, sleep of the machine included, and no setting of a clock moves it; it
 * ends the process whether the owner lives, is frozen or dead. No grace, whatever it is for and however long, goes beyond the time
 * at which the process is to be killed. The keeper looks at the clock several times a second, and
 * before anything else once it was held up itself: so a renewal that comes too late is refused, also when it waited in the
 * socket of a keeper that was frozen. Deadlines are the keeper's alone: where it is killed, the one that follows has them from
 * records and from a file (orphans.ts).
 */

import { statSync } from 'node:fs';
import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import type { LocalPeer } from '../local-calls.js';
import { type ProcessTable, readProcesses } from '../process-table.js';
import type { Child } from './child.js';
import type { Renewal } from './keeper-messages.js';
import type { StartFields } from './process-start.js';

/** Time since boot runs on while timers sleep, so none is set for the deadline itself. */
export const LOOK_EVERY_MS = 200;
/** A process that prints on while it is being ended for that gets no more grace from here on. */
const FAR_OVER_LIMIT = 2;

export class Limits<Key> {
  private readonly clock: Clock;
  private readonly children: () => Iterable<Child<Key>>;

  constructor(clock: Clock, children: () => Iterable<Child<Key>>) {
    this.clock = clock;
    this.children = children;
  }

  /** Ends every process whose deadline has passed. To be called before anything else is done. */
  lookAtDeadlines(): void {
    let now: number | undefined;
    let table: ProcessTable | undefined;
    for (const child of this.children()) {
      if (child.deadlineMs === undefined || !child.isRunning) continue;
      now ??= this.clock.sinceBoot();
      const isOver = child.deadlineMs <= now || child.killAtMs <= now;
      if (isOver && child.endedBy === undefined) {
        // Read once: those of one owner end together.
        table ??= readProcesses();
        child.endBecause('deadline', table);
      }
      if (child.killAtMs <= now) child.killNow();
    }
  }

  /** @throws OwlError kind `refused` when it should have ended by now: the call may have waited while this process was frozen */
  refuseLate(name: string, { deadline_ms, start_by_ms: startByMs }: StartFields): void {
    const now = this.clock.sinceBoot();
    if (startByMs !== undefined && now >= startByMs)
      throw new OwlError(
        'unavailable',
        `too late: ${name} was to be started ${Math.round(now - startByMs)} ms ago`,
      );
    if (deadline_ms === undefined) return;
    const late = now - deadline_ms;
    if (late >= 0)
      throw new OwlError('refused', `too late: the deadline of ${name} passed ${Math.round(late)} ms ago`);
  }

  /**
   * One that is being ended for another reason has its grace for longer.
   * @throws OwlError kind `refused` when it comes too late, or there is nothing to renew
   */
  renew(
    child: Child<Key>,
    { deadline_ms: deadlineMs, kill_at_ms: killAtMs = child.killAtMs }: Renewal,
  ): void {
    const { name } = child.options;
    const now = this.clock.sinceBoot();
    if (child.killAtMs > now) child.killAtMs = killAtMs;
    if (child.endedBy !== undefined || !child.isRunning)
      throw new OwlError('refused', `too late: ${name} ${child.isRunning ? 'is being ended' : 'has ended'}`);
    if (child.deadlineMs === undefined)
      throw new OwlError('refused', `${name} was started without a deadline`);
    if (deadlineMs <= now)
      throw new OwlError(
        'refused',
        `the new deadline of ${name} passed ${Math.round(now - deadlineMs)} ms ago`,
      );
    child.deadlineMs = deadlineMs;
  }

  /** Ends every process whose logs hold too much. */
  lookAtLogs(): void {
    for (const child of this.children()) {
      const limit = child.options.start.log_limit_bytes;
      if (limit === undefined || !child.isRunning) continue;
      const bytes = bytesOf(child);
      if (bytes > limit) child.endBecause('log_limit');
      if (bytes > limit * FAR_OVER_LIMIT) child.killNow();
    }
  }

  /** The connection of an owner has closed: ends the processes that share its end. */
  endWith(owner: LocalPeer): void {
    for (const child of this.children()) {
      const { start } = child.options;
      if (child.options.owner !== owner || start.fate !== 'share') continue;
      this.clock.after(start.share_after_ms ?? 0, () => child.endBecause('owner_gone'));
    }
  }
}

/** One that can't be looked at counts as nothing, as one that is gone does. */
function bytesOf({ options: { start } }: Child<unknown>): number {
  return sizeOf(start.log_path) + (start.error_log_path === undefined ? 0 : sizeOf(start.error_log_path));
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
