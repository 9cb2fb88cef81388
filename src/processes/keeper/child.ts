/**
 * One process of a keeper, from its start until its end is written.
 *
 * Guarantees: whoever ends it from here first gives the reason, and nobody after; one that is being ended gets SIGTERM, is
 * woken up to hear it, and after its grace, or when nobody may see it any more, SIGKILL until it is gone; what it has started goes
 * with it, before its end is written. What can't be ended within a while is complained of, and its end is written all the same.
 */

import type { ChildProcess } from 'node:child_process';
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import type { ProcessIdentity } from '../../base/process-identity.js';
import type { OwnCgroup } from '../cgroup.js';
import type { LocalPeer } from '../local-calls.js';
import { endGroup, endMarked, ProcessFamily } from '../process-family.js';
import type { ProcessTable } from '../process-table.js';
import type { ProcessMark } from '../records/process-kind.js';
import type { EndCause, ProcessEnd } from '../records/process-record.js';
import { complain } from './complain.js';
import type { Launched } from './launch.js';
import type { StartFields } from './process-start.js';

export const DEFAULT_GRACE_MS = 10_000;
/** How long what it has left behind is hunted before its end is written. */
const REST_WITHIN_MS = 10_000;

export interface ChildOptions<Key> {
  readonly key: Key;
  /** As messages name it. */
  readonly name: string;
  readonly start: StartFields;
  readonly mark: ProcessMark;
  readonly launched: Launched;
  /** Undefined where there could be none. */
  readonly cgroup: OwnCgroup | undefined;
  /** Whose connection asked for it. */
  readonly owner: LocalPeer;
  readonly clock: Clock;
}

export class Child<Key> {
  readonly options: ChildOptions<Key>;
  readonly process: ChildProcess;
  readonly identity: ProcessIdentity;
  /** Milliseconds since boot. */
  deadlineMs: number | undefined;
  /** Milliseconds since boot; Infinity where its grace alone counts. */
  killAtMs: number;
  /** How it has ended, while that is not written. */
  end: ProcessEnd | undefined;
  private readonly family: ProcessFamily;
  private readonly gone = new AbortController();
  /** Aborts when it gets no more grace. */
  private readonly hurry = new AbortController();
  private readonly began: { readonly running: number; readonly boot: number };
  private cause: EndCause | undefined;
  private ending: Promise<void> | undefined;

  constructor(options: ChildOptions<Key>) {
    const { launched, start, cgroup, clock } = options;
    this.options = options;
    this.began = { running: clock.monotonic(), boot: clock.sinceBoot() };
    this.process = launched.process;
    this.identity = launched.identity;
    this.deadlineMs = start.deadline_ms;
    this.killAtMs = start.kill_at_ms ?? Number.POSITIVE_INFINITY;
    this.family = new ProcessFamily(this.identity, cgroup === undefined ? [] : [cgroup.directory]);
  }

  /** Why it is being ended from here, or was; undefined when it is not. */
  get endedBy(): EndCause | undefined {
    return this.cause;
  }

  get isRunning(): boolean {
    return !this.gone.signal.aborted;
  }

  /** Seconds since it was started. Running time is the finer one, and stands still while the machine sleeps. */
  get age(): number {
    const { clock } = this.options;
    const { running, boot } = this.began;
    return Math.max(clock.monotonic() - running, clock.sinceBoot() - boot) / 1000;
  }

  /** Again changes nothing. @param table of all processes as they are now; default: read anew */
  endBecause(cause: EndCause, table?: ProcessTable): void {
    if (!this.isRunning || this.cause !== undefined) return;
    const { clock, start } = this.options;
    this.cause = cause;
    this.ending = endGroup({
      ...{ leader: this.identity, family: this.family, clock, signal: this.gone.signal },
      ...{ graceMs: start.grace_ms ?? DEFAULT_GRACE_MS, hurry: this.hurry.signal },
      ...(table === undefined ? {} : { table }),
      onKill: () => undefined,
      onRefused: (pid, error) => this.complainOf(pid, error),
    });
  }

  /** One that is being ended gets no more grace. */
  killNow(): void {
    this.hurry.abort();
  }

  /** It has exited. Resolves when what it has left behind is gone, if it was ended from here. */
  async noteExit(): Promise<void> {
    this.gone.abort();
    if (this.ending === undefined) return;
    await this.ending;
    const { clock, mark, cgroup } = this.options;
    const over = new AbortController();
    const cancel = clock.after(REST_WITHIN_MS, () => over.abort());
    try {
      await endMarked(mark, clock, over.signal, {
        ...{ family: this.family, cgroup: cgroup?.directory },
        onRefused: (pid, error) => this.complainOf(pid, error),
      });
      if (over.signal.aborted) complain(`${this.options.name} has left processes that do not end`);
    } catch (error) {
      complain(`what ${this.options.name} has left is not known: ${messageOf(error)}`);
    } finally {
      cancel();
    }
  }

  private complainOf(pid: number, error: unknown): void {
    complain(`process ${pid} of ${this.options.name} can't be ended: ${messageOf(error)}`);
  }
}
