/**
 * The logs of a machine's plots: those that were begun, which are files, and those that tasks waiting here will have, of
 * which only the supervisor knows, if one runs. No talent is asked.
 */

import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { OwlError } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { PlotKey } from '../machine/plot-record.js';
import type { TalentDirectory } from '../machine/talent-directory.js';
import { askSupervisor, type SupervisorState } from '../supervisor/control.js';
import { resolveTaskId } from './task-ids.js';

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

/** The attempt whose log is meant. @throws OwlError kind `not_found` or `refused` naming what there is */
export async function findLog(
  machine: TalentDirectory,
  { beginning, attempt, mayWait }: LogWish,
): Promise<PlotKey> {
  const logs = logsIn(machine);
  const waiting = (await waitingIn(machine)) ?? [];
  const task_id = await chooseTask(machine, [...logs, ...waiting], beginning);
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

async function chooseTask(
  { path }: TalentDirectory,
  keys: readonly PlotKey[],
  beginning: string,
): Promise<string> {
  const ids = [...new Set(keys.map((key) => key.task_id))];
  const begins = (text = ''): string[] => ids.filter((id) => id.startsWith(text));
  if (begins(beginning).length === 0) {
    throw new OwlError(
      'not_found',
      `below ${path} there is no log of a task whose id begins with "${beginning}", and none waits here; it ran on another machine, or with another --data`,
    );
  }
  return await resolveTaskId(
    {
      status: async ({ task_id = '' }) => ({ existed: ids.includes(task_id) }),
      list: async ({ task_id_prefix }) => ({ tasks: begins(task_id_prefix).map((id) => ({ task_id: id })) }),
    },
    beginning,
  );
}

/** Undefined while nobody knows: no supervisor runs here, or it does not know itself because talent is away. */
async function waitingIn(machine: TalentDirectory): Promise<readonly WaitingTask[] | undefined> {
  const state = await askSupervisor(machine, { method: 'status' }).catch(() => undefined);
  return state?.attached === true ? state.waiting : undefined;
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
