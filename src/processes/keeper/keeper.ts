/**
 * The keeper: the parent of an owner's processes. It is a process of its own so that an exit code is known even when the
 * owner was not there, and it is so small that it has no reason to die.
 *
 * Guarantees: a process runs detached, leads a process group of its own and writes into a log that is its alone, and its
 * environment is what the start says; a process that was started has a record, and its end is written beside it as soon as
 * the disk takes it; a process whose record could not be written does not run. An end that can't be written is kept here,
 * told to owners and to whoever asks, and tried again every second; nothing that is wrong with a disk, a log or a peer
 * ends the keeper. What it keeps is bounded: it starts nothing more while it has too many ends to write. It ends by itself
 * when it has no process, no end to write and no owner, or when its directory is gone and nobody can reach it.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { identifyChild } from '../../base/process-identity.js';
import { systemErrorCode } from '../../base/system-error.js';
import { cgroupsOf, enterCgroup, removeCgroup } from '../cgroup.js';
import { processEnvironment } from '../environment.js';
import { type LocalPeer, type LocalServer, listenLocally } from '../local-calls.js';
import { recordedIdentityOf } from '../records/process-record.js';
import type { ProcessRecords } from '../records/process-records.js';
import { complain } from './complain.js';
import {
  type KeptProcess,
  LOG_EXISTS,
  listed,
  type StartAnswer,
  unwrittenMessage,
} from './keeper-messages.js';
import { isStartFields, type ProcessStart } from './process-start.js';

/** How long a new keeper waits for the owner that has just made it. */
const FIRST_CALL_MS = 10_000;
const WRITE_AGAIN_MS = 1_000;
/** A directory that is gone may be put back: so often an end is tried again when nobody is there to be told of it. */
const TRIES_WITHOUT_DIRECTORY = 60;
const MOST_UNWRITTEN = 1_000;
/** What is wrong with a program itself; anything else is the machine's trouble and may pass. */
const LASTING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'ENOEXEC']);

export interface KeeperOptions<Key extends object, Own extends Key> {
  readonly records: ProcessRecords<Key, Own>;
  readonly clock: Clock;
  /** Called once, when it has nothing to keep and nobody to keep it for. */
  readonly onIdle: () => void;
}

export class Keeper<Key extends object, Own extends Key> {
  private readonly options: KeeperOptions<Key, Own>;
  private readonly kept = new Map<ChildProcess, KeptProcess<Key>>();
  private readonly owners = new Set<LocalPeer>();
  private server: LocalServer | undefined;
  private isIdle = false;
  private cancelFirstCall: () => void = () => undefined;

  constructor(options: KeeperOptions<Key, Own>) {
    this.options = options;
  }

  /** The caller holds the keeper's lock, so that nobody else listens there. */
  async listen(): Promise<void> {
    this.server = await listenLocally(
      this.options.records.directory.keeperSocket,
      (method, params) => this.answer(method, params),
      (peer) => void this.attend(peer),
    );
    this.cancelFirstCall = this.options.clock.after(FIRST_CALL_MS, () => this.endWhenIdle());
  }

  /** Goes on while it has a process or an owner. */
  endWhenIdle(): void {
    if (this.isIdle || this.kept.size > 0 || this.owners.size > 0) return;
    this.isIdle = true;
    this.options.onIdle();
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
    this.endWhenIdle();
  }

  private answer(method: string, params: unknown): Promise<StartAnswer> | object[] {
    if (method === 'list') return [...this.kept.values()].map(listed);
    if (method === 'start' && this.isStart(params)) return this.start(params);
    throw new OwlError('invalid', `the keeper knows no call ${method} like this`);
  }

  /** Its sender is an owner of this version or a later one: what the keeper uses and what a record needs must be there. */
  private isStart(params: unknown): params is ProcessStart<Own> {
    const { kind } = this.options.records;
    return isStartFields(params) && kind.isOwn(params);
  }

  private async start(start: ProcessStart<Own>): Promise<StartAnswer> {
    const { noun } = this.options.records.kind;
    const unwritten = [...this.kept.values()].filter(({ end }) => end !== undefined).length;
    if (unwritten >= MOST_UNWRITTEN)
      throw new OwlError(
        'unavailable',
        `the ends of ${unwritten} ${noun}s can't be written; make room for them`,
      );
    const log = openLog(start.log_path);
    try {
      const { child, pid } = await this.launch(start, log);
      this.record(start, child, pid);
      return {};
    } catch (error) {
      removeLog(start.log_path);
      if (error instanceof OwlError && error.kind === 'invalid') return { impossible: error.message };
      throw error;
    } finally {
      closeSync(log);
    }
  }

  /** @throws OwlError kind `invalid` when the program will never run here, `unavailable` when it may later */
  private async launch(
    start: ProcessStart<Own>,
    log: number,
  ): Promise<{ readonly child: ChildProcess; readonly pid: number }> {
    const { records } = this.options;
    const { variable, value } = records.markOf(start);
    const [program = '', ...args] = start.argv;
    try {
      const child = spawn(program, args, {
        detached: true,
        stdio: ['ignore', log, log],
        cwd: records.directory.path,
        env: { ...(start.environment ?? processEnvironment()), [variable]: value },
      });
      const { pid } = child;
      if (pid === undefined) throw await errorOf(child);
      this.watch(child, start);
      return { child, pid };
    } catch (error) {
      const kind = LASTING.has(systemErrorCode(error)) ? 'invalid' : 'unavailable';
      throw new OwlError(kind, `${program} can't be started: ${messageOf(error)}`, { cause: error });
    }
  }

  private record(start: ProcessStart<Own>, child: ChildProcess, pid: number): void {
    const { records, clock } = this.options;
    try {
      const identity = identifyChild(pid);
      if (identity === undefined)
        throw new OwlError('invalid', 'there is no /proc here: processes are kept on Linux only');
      const cgroup = enterCgroup(records.markOf(start), pid);
      const { environment: _, ...told } = start;
      const record: object = {
        ...told,
        ...(cgroup === undefined ? {} : { cgroup }),
        started_time: clock.now() / 1000,
        process: recordedIdentityOf(identity),
      };
      if (!records.isRecord(record)) throw new OwlError('invalid', 'what was asked for makes no record');
      records.write(record);
    } catch (error) {
      // Nobody would ever know of it.
      this.kept.delete(child);
      killGroup(pid);
      throw error;
    }
  }

  private watch(child: ChildProcess, start: ProcessStart<Own>): void {
    const { clock, records } = this.options;
    const key = records.keyOf(start);
    this.kept.set(child, { key });
    child.on('error', () => undefined);
    child.once('exit', (exit_code, exit_signal) => {
      // Empty, unless it has left something behind.
      for (const cgroup of cgroupsOf(records.markOf(key), undefined)) removeCgroup(cgroup);
      // Of one that does not run, because its record could not be written, nobody wants to know.
      if (!this.kept.has(child)) return;
      const log_disk_full = hasNoFreeBlock(dirname(start.log_path));
      const ended_time = clock.now() / 1000;
      this.writeEnd(child, {
        key,
        end: { exit_code, exit_signal, ended_time, ...(log_disk_full ? { log_disk_full } : {}) },
      });
    });
  }

  /** Now or later. Nothing that is wrong with the disk may cost an exit code. */
  private writeEnd(child: ChildProcess, { key, end }: Required<KeptProcess<Key>>, tries = 1): void {
    const { records, clock } = this.options;
    try {
      if (tries === 1 || !this.isSettled(key)) records.writeEnd(key, end);
    } catch (error) {
      const unwritten = messageOf(error);
      const kept = { key, end: { ...end, unwritten: end.unwritten ?? unwritten } };
      if (tries === 1) this.keepUnwritten(child, kept, unwritten);
      const isReachable = existsSync(records.directory.path) || this.owners.size > 0;
      if (isReachable || tries < TRIES_WITHOUT_DIRECTORY) {
        clock.after(WRITE_AGAIN_MS, () => this.writeEnd(child, kept, tries + 1));
        return;
      }
    }
    this.kept.delete(child);
    for (const owner of this.owners) owner.tell('ended', key);
    this.endWhenIdle();
  }

  private keepUnwritten(child: ChildProcess, kept: Required<KeptProcess<Key>>, why: string): void {
    const { kind } = this.options.records;
    complain(`the end of ${kind.nameOf(kept.key)} can't be written: ${why}`);
    this.kept.set(child, kept);
    const told = unwrittenMessage(kind, kept.key, kept.end);
    for (const owner of this.owners) owner.tell('unwritten', told);
  }

  /** Its end was told without being written, and its owner has removed the record. */
  private isSettled(key: Key): boolean {
    const { records } = this.options;
    const folder = records.directory.records;
    return existsSync(folder) && statSync(folder).isDirectory() && !existsSync(records.pathOf(key));
  }
}

function hasNoFreeBlock(directory: string): boolean {
  try {
    const { bavail } = statfsSync(directory);
    return bavail <= 0;
  } catch {
    return false;
  }
}

/** Created here and now, so that no other process' output can be in it. */
function openLog(path: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') throw new OwlError('refused', LOG_EXISTS);
    throw error;
  }
}

/** What is left is found by the next start of the same process. */
function removeLog(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    complain(`${path} is left over: ${messageOf(error)}`);
  }
}

/** One that has ended meanwhile is as good. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if (systemErrorCode(error) !== 'ESRCH')
      complain(`process ${leader} can't be killed: ${messageOf(error)}`);
  }
}

/** Why a program could not be started: Node tells it one turn later. */
function errorOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}
