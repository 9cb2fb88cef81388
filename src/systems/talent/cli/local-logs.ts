/**
 * The logs of a machine's plots: those that were begun, which are files, and those that tasks waiting here will have, of
 * which only the supervisor knows, if one runs.
 *
 * Guarantees: an id given whole needs nobody else; a beginning never leads to the log of another task: which task is meant only
 * talent knows, for most have no log on this machine, so without it the whole ids that are here are named instead; a task that
 * never started says so.
 */

import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { OwlError } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import { UsageError } from '../../../cli/exit.js';
import type { PlotKey } from '../machine/plot-record.js';
import type { TalentDirectory } from '../machine/talent-directory.js';
import { askSupervisor, type SupervisorState } from '../supervisor/control.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { isFinal } from '../wire/plot-states.js';

const ASK_EVERY_MS = 200;

export interface LogWish {
  /** The task's id, or a beginning that no other has. */
  readonly beginning: string;
  /** Undefined: the last one. */
  readonly attempt: number | undefined;
  /** Also one that has yet to begin. */
  readonly mayWait: boolean;
}

type WaitingTask = SupervisorState['waiting'][number];

/** Asks talent for the task that is or begins with a text. @throws UnreachableError when it can't, OwlError with its refusal */
export type AskTalent = (text: string, supervisor: SupervisorState | undefined) => Promise<PlotTaskStatus>;

/** The attempt whose log is meant. @throws OwlError kind `not_found` or `refused` naming what there is */
export async function findLog(
  machine: TalentDirectory,
  { beginning, attempt, mayWait }: LogWish,
  askTalent: AskTalent,
): Promise<PlotKey> {
  const logs = logsIn(machine);
  const supervisor = await supervisorIn(machine);
  const waiting = supervisor?.attached === true ? supervisor.waiting : [];
  const ids = new Set([...logs, ...waiting].map((key) => key.task_id));
  const task_id = ids.has(beginning)
    ? beginning
    : await askWhich(machine, ids, beginning, (text) => askTalent(text, supervisor));
  const begun = attemptsOf(task_id, logs);
  const toBegin = attemptsOf(task_id, waiting);
  const newest = mayWait || begun.length === 0 ? [...begun, ...toBegin] : begun;
  const wanted = attempt ?? Math.max(...newest);
  const task = waiting.find((one) => one.task_id === task_id && one.attempt === wanted);
  if (begun.includes(wanted) || (task !== undefined && mayWait)) return { task_id, attempt: wanted };
  if (task !== undefined)
    throw new OwlError('not_found', `${notStarted(task)}; with -f its log is shown once it does`);
  throw new OwlError(
    'not_found',
    `there is no log of attempt ${wanted} of ${task_id}; there are those of ${begun.join(', ')}`,
  );
}

/**
 * Waits until an attempt has its log. Ends without when the signal aborts.
 * @param tell hears once why it has none yet
 * @throws OwlError kind `not_found` when it will not be started here any more
 */
export async function untilBegun(
  machine: TalentDirectory,
  key: PlotKey,
  signal: AbortSignal,
  tell: (why: string) => Promise<void>,
): Promise<void> {
  let isTold = false;
  while (!signal.aborted) {
    const waiting = await waitingIn(machine);
    const task = waiting?.find(({ task_id, attempt }) => task_id === key.task_id && attempt === key.attempt);
    // The log comes first, then the record of who writes it; and then it waits no more.
    if (task === undefined && existsSync(machine.plots.logPathOf(key))) return;
    if (task === undefined && waiting !== undefined) {
      throw new OwlError(
        'not_found',
        `${key.task_id} waits no more and was not started here; \`owl plot status ${key.task_id}\` says why`,
      );
    }
    if (task !== undefined && !isTold) await tell(notStarted(task));
    isTold ||= task !== undefined;
    await pause(ASK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The one of these that begins so, as talent says. @throws OwlError that says what is so instead */
async function askWhich(
  { path }: TalentDirectory,
  ids: ReadonlySet<string>,
  beginning: string,
  ask: (text: string) => Promise<PlotTaskStatus>,
): Promise<string> {
  if (beginning === '') throw new UsageError('an id, or the beginning of one, must not be empty');
  const candidates = [...ids].filter((id) => id.startsWith(beginning));
  let task: PlotTaskStatus;
  try {
    task = await ask(beginning);
  } catch (error) {
    if (!(error instanceof OwlError)) throw error;
    if (error.kind === 'not_found' || error.kind === 'refused') throw error;
    throw candidates.length === 0 ? noLog(path, beginning) : wholeIdWanted(beginning, candidates, error);
  }
  const { task_id = '' } = task;
  if (ids.has(task_id)) return task_id;
  throw new OwlError('not_found', `${notHere(task)}; below ${path} there is no log of it`);
}

function noLog(path: string, beginning: string): OwlError {
  return new OwlError(
    'not_found',
    `below ${path} there is no log of a task whose id begins with "${beginning}", and none waits here; it ran on another machine, or with another --data`,
  );
}

function wholeIdWanted(beginning: string, candidates: readonly string[], reason: OwlError): OwlError {
  const listed = candidates.toSorted().map((id) => `\n  ${id}`);
  return new OwlError(
    'refused',
    `which task begins with "${beginning}" only talent can tell, and it can't be asked (${reason.message}); give the whole id, here are logs of:${listed.join('')}`,
  );
}

/** Why a task that talent knows has no log here. */
function notHere({
  task_id = '',
  status = '',
  remarks = '',
  started_time,
  worker_id,
}: PlotTaskStatus): string {
  const why = remarks === '' ? '' : `: ${remarks}`;
  if (started_time !== undefined) return `${task_id} ran on the machine of ${worker_id ?? 'another worker'}`;
  return isFinal(status)
    ? `${task_id} never started, it is ${status}${why}`
    : `${task_id} has not started yet, it is ${status}${why}`;
}

/** Undefined while nobody knows: no supervisor runs here, or it does not know itself because talent is away. */
async function waitingIn(machine: TalentDirectory): Promise<readonly WaitingTask[] | undefined> {
  const state = await supervisorIn(machine);
  return state?.attached === true ? state.waiting : undefined;
}

function supervisorIn(machine: TalentDirectory): Promise<SupervisorState | undefined> {
  return askSupervisor(machine, { method: 'status' }).catch(() => undefined);
}

function logsIn(machine: TalentDirectory): PlotKey[] {
  const { keyNamed } = machine.plots.kind;
  try {
    return readdirSync(machine.logs).flatMap((file) => keyNamed(machine.nameOfLog(file) ?? '') ?? []);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function attemptsOf(taskId: string, keys: readonly PlotKey[]): number[] {
  const attempts = keys.flatMap(({ task_id, attempt }) => (task_id === taskId ? attempt : []));
  return attempts.sort((a, b) => a - b);
}

function notStarted({ task_id, reason }: WaitingTask): string {
  return `${task_id} has not started yet${reason === '' ? '' : `: ${reason}`}`;
}
