/** The status of a plot task as peers may name it. */

import { type PlotTaskState, RECORDED_STATES } from '../../../../machines/talent/plot-task.js';
import { InvalidFieldError } from '../../../base/errors.js';

/**
 * Those of a question of peers of old. A status that no task has has no tasks: they take an error for a broken service.
 * @param otherwise where none was named
 */
export function askedStatuses(status = '', otherwise: readonly string[]): readonly string[] {
  return status === '' ? otherwise : [status];
}

/** @throws InvalidFieldError when there is no such status; undefined where none was given */
export function readStatus(field: string, status: string | undefined): PlotTaskState | undefined {
  if (status === undefined || status === '') return undefined;
  const state = RECORDED_STATES.find((known) => known === status);
  if (state !== undefined) return state;
  throw new InvalidFieldError(
    field,
    `must be one of ${RECORDED_STATES.join(', ')}, not "${status.slice(0, 40)}"`,
  );
}
