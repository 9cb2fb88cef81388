/**
 * What it means that a supervisor is given up: its tasks that have begun fail. When it is, and when it is not, is decided in
 * src/peers/give-ups.ts.
 */

import type { supervisorMachine } from '../../../../../machines/talent/supervisor.js';
import type { Clock } from '../../../../base/clock.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import { GiveUps, type GiveUpsOptions } from '../../../../peers/give-ups.js';
import { plotTask } from '../plot-task-commands.js';
import { failAsLost, postponeFailure } from '../supervisor-losses.js';
import { supervisorPeers } from './supervisor-type.js';

export type SupervisorGiveUps = GiveUps<typeof supervisorMachine>;

type Given = Omit<GiveUpsOptions<typeof supervisorMachine>, 'kind' | 'announce' | 'giveUp'>;

export interface SupervisorGiveUpsOptions extends Given {
  readonly clock: Clock;
  /** Ids of its tasks that have begun and are not over, as far as the read model knows. */
  readonly begun: (workerId: string) => readonly string[];
}

export function supervisorGiveUps(options: SupervisorGiveUpsOptions): SupervisorGiveUps {
  return new GiveUps({
    ...options,
    kind: supervisorPeers,
    announce: (workerId, inMs, signal) => announce(options, workerId, inMs, signal),
    giveUp: (workerId, signal) => failTasks(options, workerId, signal),
  });
}

/** True when nothing has to be tried again. */
async function failTasks(
  { logger, begun, system }: SupervisorGiveUpsOptions,
  workerId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const taskIds = begun(workerId);
  if (taskIds.length > 0) logger.warn({ workerId, taskIds }, 'a lost supervisor is given up');
  let failures = 0;
  for (const taskId of taskIds) {
    if (signal.aborted) return true;
    try {
      await system.execute(plotTask, taskId, { by: 'lease', decide: failAsLost });
    } catch (error) {
      logger.error({ err: error, taskId }, 'a task of a lost supervisor did not fail');
      if (!isRefusal(error)) failures += 1;
    }
  }
  return failures === 0;
}

/** The tasks show when they fail: that is told where it has changed. It is for people, so it may fail. */
async function announce(
  { begun, clock, logger, system }: SupervisorGiveUpsOptions,
  workerId: string,
  inMs: number,
  signal: AbortSignal,
): Promise<void> {
  const now = clock.now() / 1000;
  const failAt = now + inMs / 1000;
  try {
    for (const taskId of begun(workerId)) {
      if (signal.aborted) return;
      const decide = postponeFailure(now, failAt);
      await system.execute(plotTask, taskId, { by: 'lease', decide });
    }
  } catch (error) {
    logger.warn({ err: error, workerId }, 'when its tasks fail was not told');
  }
}
