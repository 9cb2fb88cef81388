/**
 * Starting one process: its logs, its environment, its place.
 *
 * Guarantees: its logs are its alone from byte 0 on; it leads a session and a group of its own; its environment is what the
 * start says and its mark. Where it can't be started nothing of it is left. Logs are appended to, so that one that somebody
 * cuts does not grow a hole.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import { messageOf, OwlError } from '../../base/errors.js';
import { identifyChild, type ProcessIdentity } from '../../base/process-identity.js';
import { systemErrorCode } from '../../base/system-error.js';
import { processEnvironment } from '../environment.js';
import type { ProcessMark } from '../records/process-kind.js';
import { complain } from './complain.js';
import { LOG_EXISTS } from './keeper-messages.js';
import type { StartFields } from './process-start.js';

/** What is wrong with a program itself; anything else is the machine's trouble and may pass. */
const LASTING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'ENOEXEC']);

export interface Launched {
  readonly process: ChildProcess;
  readonly identity: ProcessIdentity;
}

/**
 * @param directory where it works unless the start says otherwise
 * @throws OwlError kind `invalid` when it will never run here, `refused` when a log is there already, `unavailable` when it
 *   may run later
 */
export async function launch(start: StartFields, mark: ProcessMark, directory: string): Promise<Launched> {
  const { log_path, error_log_path, cwd } = start;
  if (cwd !== undefined && statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new OwlError('invalid', `the working directory ${cwd} is no directory here`);
  const out = openLog(log_path);
  let error: number | undefined;
  try {
    if (error_log_path !== undefined) error = openLog(error_log_path);
    return await spawnDetached(start, mark, cwd ?? directory, [out, error ?? out]);
  } catch (failure) {
    removeLog(log_path);
    if (error_log_path !== undefined && error !== undefined) removeLog(error_log_path);
    throw failure;
  } finally {
    closeSync(out);
    if (error !== undefined) closeSync(error);
  }
}

/** Takes back a launch that nobody will know of. */
export function undoLaunch({ log_path, error_log_path }: StartFields, { pid }: ProcessIdentity): void {
  killGroup(pid);
  removeLog(log_path);
  if (error_log_path !== undefined) removeLog(error_log_path);
}

async function spawnDetached(
  { argv, environment }: StartFields,
  { variable, value }: ProcessMark,
  cwd: string,
  [out, error]: readonly [number, number],
): Promise<Launched> {
  const [program = '', ...args] = argv;
  try {
    const process = spawn(program, args, {
      detached: true,
      stdio: ['ignore', out, error],
      cwd,
      env: { ...(environment ?? processEnvironment()), [variable]: value },
    });
    const { pid } = process;
    if (pid === undefined) throw await errorOf(process);
    process.on('error', () => undefined);
    const identity = identifyChild(pid);
    if (identity !== undefined) return { process, identity };
    killGroup(pid);
  } catch (failure) {
    const kind = LASTING.has(systemErrorCode(failure)) ? 'invalid' : 'unavailable';
    throw new OwlError(kind, `${program} can't be started: ${messageOf(failure)}`, { cause: failure });
  }
  throw new OwlError('invalid', 'there is no /proc here: processes are kept on Linux only');
}

/** Created here and now, so that no other process' output can be in it. */
function openLog(path: string): number {
  try {
    return openSync(path, 'ax', 0o600);
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
