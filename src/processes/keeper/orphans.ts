/**
 * Processes of a keeper that was killed, for the one that follows it. Nobody sees how they end, and what their owner does not find out
 * itself nobody knows; but their deadlines hold.
 *
 * Guarantees: whoever of such a process, or of what it has started, is alive at its deadline is ended then, as by the keeper that has
 * started it, and its end says so, in the middle of a grace too where it is to be killed; a deadline that its owner moves is moved; one whose owner has settled it is left alone.
 */

import { existsSync } from 'node:fs';
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { isAlive, type ProcessIdentity } from '../../base/process-identity.js';
import { cgroupsOf } from '../cgroup.js';
import { endGroup, endMarked, ProcessFamily } from '../process-family.js';
import { lookAtProcesses } from '../process-look.js';
import { identityOf, type ProcessEnd, type ProcessRecord } from '../records/process-record.js';
import type { ProcessRecords } from '../records/process-records.js';
import { DEFAULT_GRACE_MS } from './child.js';
import { complain } from './complain.js';
import type { Times } from './deadline-file.js';
import type { Renewal } from './keeper-messages.js';

interface Orphan<Own> {
  readonly record: ProcessRecord<Own>;
  readonly leader: ProcessIdentity;
  readonly family: ProcessFamily;
  readonly gone: AbortController;
  /** Aborts when it gets no more grace. */
  readonly hurry: AbortController;
  deadlineMs: number;
  /** Infinity where its grace alone counts. */
  killAtMs: number;
  isEnding: boolean;
}

export interface OrphansOptions<Key extends object, Own extends Key> {
  readonly records: ProcessRecords<Key, Own>;
  readonly clock: Clock;
  /** One is none any more; its end is written if it was ended here. */
  readonly onGone: (key: Key) => void;
}

export class Orphans<Key extends object, Own extends Key> {
  private readonly options: OrphansOptions<Key, Own>;
  /** By name. */
  private readonly orphans = new Map<string, Orphan<Own>>();

  constructor(options: OrphansOptions<Key, Own>) {
    this.options = options;
  }

  get size(): number {
    return this.orphans.size;
  }

  has(name: string): boolean {
    return this.orphans.has(name);
  }

  /** Those of which the records tell. @param moved their deadlines, where they are not those of the start */
  adopt(moved: ReadonlyMap<string, Partial<Times>>): void {
    const { records } = this.options;
    for (const { record, end } of records.readAll().processes) {
      const name = records.kind.nameOf(record);
      const times = moved.get(name);
      const deadlineMs = times?.deadlineMs ?? record.deadline_ms;
      const killAtMs = times?.killAtMs ?? record.kill_at_ms ?? Number.POSITIVE_INFINITY;
      const leader = identityOf(record);
      if (end !== null || deadlineMs === undefined || !isAlive(leader)) continue;
      const family = new ProcessFamily(leader, cgroupsOf(records.markOf(record), record.cgroup));
      this.orphans.set(name, {
        ...{ record, leader, family, deadlineMs, killAtMs, isEnding: false },
        ...{ gone: new AbortController(), hurry: new AbortController() },
      });
    }
  }

  /** @returns whether it is one, and not being ended yet */
  renew(name: string, { deadline_ms: deadlineMs, kill_at_ms: killAtMs }: Renewal): boolean {
    const orphan = this.orphans.get(name);
    const now = this.options.clock.sinceBoot();
    if (orphan !== undefined && orphan.killAtMs > now) orphan.killAtMs = killAtMs ?? orphan.killAtMs;
    if (orphan === undefined || orphan.isEnding || deadlineMs <= now) return false;
    orphan.deadlineMs = deadlineMs;
    return true;
  }

  *deadlines(): Generator<readonly [name: string, times: Times]> {
    for (const [name, { deadlineMs, killAtMs }] of this.orphans) yield [name, { deadlineMs, killAtMs }];
  }

  /** Ends those whose deadline has passed. To be called before anything else is done. */
  lookAtDeadlines(): void {
    if (this.orphans.size === 0) return;
    const now = this.options.clock.sinceBoot();
    for (const [name, orphan] of this.orphans) {
      if (!isAlive(orphan.leader)) orphan.gone.abort();
      if (orphan.killAtMs <= now) orphan.hurry.abort();
      if (orphan.isEnding || Math.min(orphan.deadlineMs, orphan.killAtMs) > now) continue;
      orphan.isEnding = true;
      void this.end(name, orphan);
    }
  }

  /** Forgets those that have ended or are settled. To be called now and then. */
  async lookAtRest(): Promise<void> {
    const { records } = this.options;
    for (const [name, orphan] of this.orphans) {
      if (orphan.isEnding) continue;
      const isSettled = !existsSync(records.pathOf(orphan.record));
      if (isSettled || (!isAlive(orphan.leader) && (await this.isLeft(orphan)) === false)) this.forget(name);
    }
  }

  private async isLeft({ record, family }: Orphan<Own>): Promise<boolean> {
    const look = await lookAtProcesses(family.since);
    return (
      look.marked(this.options.records.markOf(record)).length > 0 ||
      family.look(look).some((one) => isAlive(one))
    );
  }

  private async end(name: string, { record, leader, family, gone, hurry }: Orphan<Own>): Promise<void> {
    const { records, clock } = this.options;
    const onRefused = (pid: number, error: unknown): void =>
      complain(`process ${pid} of ${name} can't be ended: ${messageOf(error)}`);
    try {
      await endGroup({
        ...{ leader, family, clock, onRefused, signal: gone.signal, onKill: () => undefined },
        ...{ graceMs: record.grace_ms ?? DEFAULT_GRACE_MS, hurry: hurry.signal },
      });
      const { signal } = new AbortController();
      await endMarked(records.markOf(record), clock, signal, { family, cgroup: record.cgroup, onRefused });
      if (existsSync(records.pathOf(record))) records.writeEnd(record, endOf(clock));
    } catch (error) {
      // Its owner finds out that it is gone.
      complain(`the end of ${name} can't be written: ${messageOf(error)}`);
    }
    this.forget(name);
  }

  private forget(name: string): void {
    const orphan = this.orphans.get(name);
    if (orphan === undefined) return;
    this.orphans.delete(name);
    this.options.onGone(this.options.records.keyOf(orphan.record));
  }
}

function endOf(clock: Clock): ProcessEnd {
  return {
    ...{ exit_code: null, exit_signal: null, ended_time: clock.now() / 1000, ended_by: 'deadline' },
    reason: 'it was ended at its deadline by the keeper that has followed its own; its exit code is unknown',
  };
}
