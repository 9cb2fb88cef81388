/**
 * The keeper: the parent of an owner's processes. It is a process of its own so that an exit code is known even when the
 * owner was not there, and it is so small that it has no reason to die.
 *
 * Guarantees: a process that was started has a record, and its end is written beside it as soon as the disk takes it; one
 * whose record could not be written does not run; no two run under one key. An end that can't be written is kept here,
 * told to owners and to whoever asks, and tried again every second; nothing that is wrong with a disk, a log or a peer
 * ends the keeper. Where it is killed another follows (guardian.ts), which holds to the deadlines of what runs (orphans.ts). What it keeps is bounded: it starts nothing more while it has too many ends to write. It ends by itself
 * when it has no process, no end to write and no owner, or when its directory is gone and nobody can reach it. What a
 * process gets to see is in launch.ts, what ends it from here in limits.ts, how its end is written in end-writer.ts.
 */

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { wasOutOfMemory } from '../cgroup.js';
import { type LocalPeer, type LocalServer, listenLocally } from '../local-calls.js';
import type { ProcessRecords } from '../records/process-records.js';
import { Child } from './child.js';
import { complain } from './complain.js';
import { DeadlineFile, type Times } from './deadline-file.js';
import { EndWriter } from './end-writer.js';
import type { Guardian } from './guardian.js';
import {
  type HelloAnswer,
  isRenewal,
  listed,
  type Renewal,
  type StartAnswer,
  unwrittenMessage,
} from './keeper-messages.js';
import { launch } from './launch.js';
import { Limits } from './limits.js';
import { Looks } from './looks.js';
import { Orphans } from './orphans.js';
import { FEATURES, isStartFields, type ProcessStart } from './process-start.js';
import { recordStart } from './record-start.js';
import { UsageSamples } from './usage-samples.js';

type Answer = StartAnswer | HelloAnswer | readonly object[];

/** How long a new keeper waits for the owner that has just made it. */
const FIRST_CALL_MS = 10_000;
const MOST_UNWRITTEN = 1_000;

export interface KeeperOptions<Key extends object, Own extends Key> {
  readonly records: ProcessRecords<Key, Own>;
  readonly clock: Clock;
  /** Called once, when it has nothing to keep and nobody to keep it for. */
  readonly onIdle: () => void;
  /** Has another follow this one when it is killed. */
  readonly guardian?: Guardian;
}

export class Keeper<Key extends object, Own extends Key> {
  private readonly options: KeeperOptions<Key, Own>;
  /** By name. */
  private readonly children = new Map<string, Child<Key>>();
  private readonly starting = new Set<string>();
  private readonly owners = new Set<LocalPeer>();
  private readonly limits: Limits<Key>;
  private readonly ends: EndWriter<Key, Own>;
  private readonly samples = new UsageSamples();
  private readonly orphans: Orphans<Key, Own>;
  private readonly deadlines: DeadlineFile;
  private server: LocalServer | undefined;
  private isIdle = false;
  private readonly looks: Looks;
  /** Another keeper has the directory. */
  private isReplaced = false;
  private cancelFirstCall: () => void = () => undefined;

  constructor(options: KeeperOptions<Key, Own>) {
    this.options = options;
    const { records, clock } = options;
    this.limits = new Limits(clock, () => this.children.values());
    this.deadlines = new DeadlineFile(records.directory.keeperDeadlines);
    this.orphans = new Orphans({ records, clock, onGone: (key) => this.noteGone(key) });
    this.looks = new Looks({
      clock,
      isWanted: () => this.orphans.size > 0 || [...this.children.values()].some(isWatched),
      often: [() => this.lookAtDeadlines()],
      seldom: [
        () => this.deadlines.write(() => this.deadlinesByName()),
        () => this.limits.lookAtLogs(),
        () => this.samples.take(this.children.values()),
        () => this.orphans.lookAtRest(),
      ],
    });
    this.ends = new EndWriter({
      ...{ records, clock },
      hasListeners: () => this.owners.size > 0,
      onUnwritten: (key, end) => this.tell('unwritten', unwrittenMessage(records.kind, key, end)),
      onDone: (child) => this.forget(child),
    });
  }

  /** The caller holds the keeper's lock, so that nobody else listens there. */
  async listen(): Promise<void> {
    try {
      this.orphans.adopt(this.deadlines.read());
    } catch (error) {
      complain(`what runs without a keeper can't be looked at: ${messageOf(error)}`);
    }
    this.watch();
    this.server = await listenLocally(
      this.options.records.directory.keeperSocket,
      (method, params, peer) => this.answer(method, params, peer),
      (peer) => void this.attend(peer),
    );
    this.cancelFirstCall = this.options.clock.after(FIRST_CALL_MS, () => this.endWhenIdle());
  }

  /** Goes on while it has a process or an owner. */
  endWhenIdle(): void {
    if (
      this.isIdle ||
      this.children.size + this.orphans.size > 0 ||
      (this.owners.size > 0 && !this.isReplaced)
    )
      return;
    this.isIdle = true;
    this.options.onIdle();
  }

  /**
   * While another keeper has the directory nothing more is started, and what runs here is kept to its end; then owners are
   * left, who find the other one.
   */
  makeWay(isReplaced: boolean): void {
    this.isReplaced = isReplaced;
    if (!isReplaced) return;
    complain('the lock was deleted and another keeper has this directory: nothing more is started here');
    this.endWhenIdle();
  }

  async close(): Promise<void> {
    this.cancelFirstCall();
    await this.server?.close();
  }

  private async attend(peer: LocalPeer): Promise<void> {
    this.cancelFirstCall();
    this.owners.add(peer);
    await peer.closed;
    this.owners.delete(peer);
    this.limits.endWith(peer);
    this.endWhenIdle();
  }

  private answer(method: string, params: unknown, caller: LocalPeer): Answer | Promise<Answer> {
    // Whatever is asked may have waited while this process was frozen.
    this.lookAtDeadlines();
    if (method === 'list') return [...this.children.values()].map(listed);
    if (method === 'hello') return { features: FEATURES };
    if (method === 'start' && this.isStart(params)) return this.start(params, caller);
    if (method === 'renew' && isRenewal(params)) return this.renew(params, params);
    throw new OwlError('invalid', `the keeper knows no call ${method} like this`);
  }

  /** Its sender is an owner of this version or a later one: what the keeper uses and what a record needs must be there. */
  private isStart(params: unknown): params is ProcessStart<Own> {
    return isStartFields(params) && this.options.records.kind.isOwn(params);
  }

  private renew(params: object, renewal: Renewal): StartAnswer {
    const { kind } = this.options.records;
    const key = kind.keyIn(params);
    const name = key === undefined ? 'what has no key' : kind.nameOf(key);
    const child = this.children.get(name);
    if (child !== undefined) this.limits.renew(child, renewal);
    else if (!this.orphans.renew(name, renewal))
      throw new OwlError('refused', `too late: ${name} does not run here any more`);
    this.deadlines.note();
    return {};
  }

  private async start(start: ProcessStart<Own>, owner: LocalPeer): Promise<StartAnswer> {
    const { records, clock } = this.options;
    const key = records.keyOf(start);
    const name = records.kind.nameOf(key);
    this.refuseMore(name);
    this.limits.refuseLate(name, start);
    const mark = records.markOf(key);
    this.starting.add(name);
    try {
      const launched = await launch(start, mark, records.directory.path);
      const cgroup = recordStart(records, clock, start, launched);
      this.keep(new Child({ ...{ key, name, start, mark, launched, cgroup, owner }, clock }));
      return {};
    } catch (error) {
      if (error instanceof OwlError && error.kind === 'invalid') return { impossible: error.message };
      throw error;
    } finally {
      this.starting.delete(name);
    }
  }

  private refuseMore(name: string): void {
    const { noun } = this.options.records.kind;
    if (this.isReplaced)
      throw new OwlError('unavailable', 'another keeper has this directory; nothing more is started here');
    if (this.children.has(name) || this.starting.has(name) || this.orphans.has(name))
      throw new OwlError('refused', `${noun} ${name} is kept already`);
    const unwritten = [...this.children.values()].filter(({ end }) => end !== undefined).length;
    if (unwritten < MOST_UNWRITTEN) return;
    throw new OwlError(
      'unavailable',
      `the ends of ${unwritten} ${noun}s can't be written; make room for them`,
    );
  }

  private keep(child: Child<Key>): void {
    const { name, owner } = child.options;
    this.children.set(name, child);
    child.process.once('exit', (code, signal) => void this.noteExit(child, code, signal));
    // It may have gone while the process was started.
    if (!this.owners.has(owner)) this.limits.endWith(owner);
    this.watch();
  }

  private async noteExit(
    child: Child<Key>,
    exit_code: number | null,
    exit_signal: NodeJS.Signals | null,
  ): Promise<void> {
    const [ended_time, ran_seconds] = [this.options.clock.now() / 1000, child.age];
    const { start, cgroup } = child.options;
    const log_disk_full = hasNoFreeBlock(dirname(start.log_path));
    await child.noteExit();
    const usage = this.samples.of(child);
    const own = cgroup?.entered;
    const out_of_memory = own !== undefined && wasOutOfMemory(own);
    // Empty, unless it has left something behind.
    cgroup?.remove();
    const { endedBy } = child;
    this.ends.write(child, {
      ...{ exit_code, exit_signal, ended_time, ran_seconds },
      ...(log_disk_full ? { log_disk_full } : {}),
      ...(out_of_memory ? { out_of_memory } : {}),
      ...(endedBy === undefined ? {} : { ended_by: endedBy }),
      ...(usage === undefined ? {} : { usage }),
    });
  }

  private forget({ options: { key, name } }: Child<Key>): void {
    this.children.delete(name);
    this.noteGone(key);
  }

  private noteGone(key: Key): void {
    this.tell('ended', key);
    this.endWhenIdle();
  }

  private lookAtDeadlines(): void {
    this.limits.lookAtDeadlines();
    this.orphans.lookAtDeadlines();
  }

  /** Of all that have one. */
  private *deadlinesByName(): Generator<readonly [name: string, times: Times]> {
    yield* this.orphans.deadlines();
    for (const [name, { deadlineMs, killAtMs }] of this.children)
      if (deadlineMs !== undefined) yield [name, { deadlineMs, killAtMs }];
  }

  private tell(event: string, what: object): void {
    for (const owner of this.owners) owner.tell(event, what);
  }

  private watch(): void {
    if (!this.deadlinesByName().next().done) this.options.guardian?.begin();
    this.looks.begin();
  }
}

function isWatched({ options: { start } }: Child<unknown>): boolean {
  return start.deadline_ms !== undefined || start.log_limit_bytes !== undefined || start.measured === true;
}

function hasNoFreeBlock(directory: string): boolean {
  try {
    const { bavail } = statfsSync(directory);
    return bavail <= 0;
  } catch {
    return false;
  }
}
