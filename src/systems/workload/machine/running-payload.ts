/**
 * The process of one attempt at a job, watched: by the pilot that had it started, or by one after it.
 *
 * Guarantees: its end is noticed whoever saw it; whoever ends it from here first gives the reason, also over a restart of the pilot;
 * one that neither prints nor computes, or takes more memory than its job may, is ended; when `endRest` has come back nothing of it
 * lives any more.
 */

import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { orAborted, untilAborted } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf } from '../../../base/errors.js';
import type { ProcessIdentity } from '../../../base/process-identity.js';
import { cgroupsOf, removeCgroup } from '../../../processes/cgroup.js';
import { endGroup, endMarked, ProcessFamily } from '../../../processes/process-family.js';
import type { ListedProcess, ProcessTable } from '../../../processes/process-table.js';
import { KeptRecord } from '../../../processes/records/kept-record.js';
import { findEnd } from '../../../processes/records/process-end.js';
import { identityOf, type ProcessEnd } from '../../../processes/records/process-record.js';
import { stopForPilot } from './failure.js';
import type { PayloadFields, PayloadKey, PayloadRecord, PayloadStop } from './payload-record.js';
import type { PilotDirectory } from './pilot-directory.js';

const TICKS_PER_SECOND = 100;
const MIB = 1024 * 1024;
/** How long its keeper may take to end what is over its time, and how far over its size. */
const KEEPER_FIRST_MS = 2_000;
const FAR_OVER_LIMIT = 2;

export interface WatchEnvironment {
  readonly directory: PilotDirectory;
  readonly clock: Clock;
  /** True while a keeper will write this payload's end. */
  readonly isKept: (key: PayloadKey) => boolean;
  /** When what is left of it is killed, in the middle of any grace: milliseconds since boot; -Infinity where that is not known. */
  readonly killAtMs: (record?: PayloadRecord) => number;
  /** What the keeper has told of an end that it can't write. */
  readonly unwrittenEnd: (key: PayloadKey) => ProcessEnd | undefined;
  /** Ends the watching, not the payloads. */
  readonly signal: AbortSignal;
}

/** What it takes of the machine now. */
export interface PayloadFigures {
  /** Percent of one core since the look before; undefined before the second. */
  readonly cpu: number | undefined;
  /** Bytes, of all its processes; what they share counts for each. */
  readonly rss: number;
  readonly logBytes: number;
}

interface Look extends PayloadFigures {
  readonly ticks: number;
  /** Running time, milliseconds. */
  readonly at: number;
}

export class RunningPayload {
  private readonly env: WatchEnvironment;
  private readonly logger: Logger;
  private readonly kept: KeptRecord<PayloadKey, PayloadFields>;
  private readonly cgroups: readonly string[];
  private readonly family: ProcessFamily;
  /** Aborts when the leader has ended. */
  private readonly gone = new AbortController();
  /** Aborts when it gets no more grace. */
  private readonly hurry = new AbortController();
  private seenEnd: ProcessEnd | undefined;
  private isEndWritten = false;
  private ending: Promise<void> | undefined;
  private endedMembers = 0;
  private last: Look | undefined;
  private activeAt: number;

  constructor(record: PayloadRecord, env: WatchEnvironment, logger: Logger) {
    this.env = env;
    this.logger = logger;
    const { payloads } = env.directory;
    this.kept = new KeptRecord(payloads, record, logger);
    this.cgroups = cgroupsOf(payloads.markOf(record), record.cgroup);
    this.family = new ProcessFamily(identityOf(record), this.cgroups);
    this.activeAt = env.clock.monotonic();
  }

  get record(): PayloadRecord {
    return this.kept.current;
  }

  get end(): ProcessEnd | undefined {
    return this.seenEnd;
  }

  get figures(): PayloadFigures | undefined {
    return this.last;
  }

  change(changes: Partial<PayloadFields>): void {
    this.kept.change(changes);
  }

  /** Nothing of it is needed any more. Throws what the file system throws. */
  remove(): void {
    this.cgroups.forEach(removeCgroup);
    this.kept.remove();
  }

  /** Looks whether it has ended. To be called now and then, and when there is a reason to think so. */
  look(): void {
    const { directory, clock, isKept, unwrittenEnd } = this.env;
    this.kept.catchUp();
    if (this.isEndWritten) return;
    const unwritten = unwrittenEnd(this.record);
    if (unwritten !== undefined) this.noteEnd(unwritten);
    try {
      const kept = () => isKept(this.record);
      const end = findEnd(directory.payloads, this.record, kept, clock, this.seenEnd);
      if (end === null) return;
      this.isEndWritten = true;
      this.noteEnd(end);
    } catch (error) {
      this.logger.error({ err: error }, 'the end of a payload can not be read or written; trying again');
    }
  }

  /** What it takes of the machine, and whether that is too much, or nothing at all. To be called now and then. */
  lookAtFigures(table: ProcessTable, byPid: ReadonlyMap<number, ListedProcess>): void {
    if (this.seenEnd !== undefined) return;
    const now = this.env.clock.monotonic();
    const members: readonly ProcessIdentity[] = [identityOf(this.record), ...this.family.look(table)];
    const listed = members.flatMap(({ pid, startTime }) => {
      const one = byPid.get(pid);
      return one?.startTime === startTime ? one : [];
    });
    const ticks = listed.reduce((sum, one) => sum + one.cpuTicks, 0);
    const rss = listed.reduce((sum, one) => sum + one.residentBytes, 0);
    const logBytes = sizeOf(this.record.log_path);
    const before = this.last;
    const passed = before === undefined ? 0 : (now - before.at) / 1000;
    // What has ended has taken its share with it.
    const used = before === undefined ? 0 : Math.max(0, ticks - before.ticks) / TICKS_PER_SECOND;
    const cpu = passed === 0 ? undefined : (used / passed) * 100;
    if (before === undefined || before.ticks !== ticks || before.logBytes !== logBytes) this.activeAt = now;
    this.last = { cpu, rss, logBytes, ticks, at: now };
    this.endIfAmiss(now, rss);
    this.endIfOver(logBytes);
  }

  /** What its keeper sees to, for the case that there is none any more, or that it hangs. */
  private endIfOver(logBytes: number): void {
    const killAtMs = this.env.killAtMs(this.record);
    if (Number.isFinite(killAtMs) && this.env.clock.sinceBoot() > killAtMs) {
      this.hurry.abort();
      this.stop(stopForPilot('pilot_lost', { grace_seconds: 0 }));
    }
    const { limit_ms: limitMs, limit_seconds: seconds, log_limit_bytes: most, grace_ms } = this.record;
    if (limitMs !== undefined && this.env.clock.sinceBoot() > limitMs + KEEPER_FIRST_MS)
      this.stop({
        why: 'time_limit',
        detail: `it took longer than the ${seconds} s that it may take`,
        grace_ms,
      });
    else if (logBytes > most * FAR_OVER_LIMIT)
      this.stop({ why: 'log_limit', detail: `it printed more than ${Math.floor(most / MIB)} MiB`, grace_ms });
  }

  private endIfAmiss(now: number, rss: number): void {
    const { looping_seconds: seconds, order } = this.record;
    const { memory_mib: mib } = order;
    if (mib !== undefined && rss > mib * MIB)
      this.stop({
        why: 'out_of_memory',
        detail: `its processes took ${Math.ceil(rss / MIB)} MiB, and it may have ${mib} MiB`,
        grace_ms: 0,
      });
    else if (seconds > 0 && now - this.activeAt >= seconds * 1000)
      this.stop({
        why: 'looping',
        detail: `it has neither printed nor computed for ${seconds} s`,
        grace_ms: this.record.grace_ms,
      });
  }

  /** SIGTERM, after the grace SIGKILL. The first reason counts, unless nobody wants its result any more. */
  stop(stop: PayloadStop): void {
    const { stopping } = this.record;
    if (stopping === undefined || stop.why === 'stale_claim' || stop.why === 'cancelled')
      this.kept.change({ stopping: stop });
    if (this.seenEnd !== undefined || this.ending !== undefined) return;
    this.endedMembers = 1;
    this.ending = endGroup({
      ...{ leader: identityOf(this.record), family: this.family, clock: this.env.clock },
      ...{ graceMs: stop.grace_ms, hurry: this.hurry.signal },
      onKill: () => this.logger.warn('a payload did not end on SIGTERM; killing it'),
      signal: this.gone.signal,
      onRefused: (pid, error) => this.tellCannotEnd(pid, error),
    });
    this.endedMembers += this.family.look().length;
  }

  /** Goes on ending it where a pilot before this one had begun. */
  resume(): void {
    const { stopping } = this.record;
    if (stopping !== undefined) this.stop(stopping);
  }

  /** Undefined when the watching ended first. */
  async ended(): Promise<ProcessEnd | undefined> {
    const { signal } = this.env;
    this.look();
    await orAborted(untilAborted(this.gone.signal), signal).catch(() => undefined);
    return signal.aborted ? undefined : this.seenEnd;
  }

  /** What it has left behind. @returns how many of its processes were ended from here, all in all */
  async endRest(): Promise<number> {
    const { directory, clock, signal } = this.env;
    await this.ending;
    const ended = await endMarked(directory.payloads.markOf(this.record), clock, signal, {
      family: this.family,
      cgroup: this.record.cgroup,
      // As a rule its keeper is about to remove it.
      keepsCgroup: true,
      onRefused: (pid, error) => this.tellCannotEnd(pid, error),
    });
    if (ended > 0) this.logger.warn({ ended }, 'a payload had left processes behind; they were killed');
    return Math.max(this.endedMembers, ended);
  }

  private tellCannotEnd(pid: number, error: unknown): void {
    this.logger.error(
      { pid, reason: messageOf(error) },
      'a process of a payload can not be ended; trying again',
    );
  }

  private noteEnd(end: ProcessEnd): void {
    this.seenEnd = end;
    this.gone.abort();
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
