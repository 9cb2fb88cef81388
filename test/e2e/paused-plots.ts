/**
 * Plots that stand still in their middle until a test has done there what it wants, and what is told of them afterwards:
 * whatever was done, it is the same.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyOf, rowOf, untilTask } from '../support/plotted.js';
import type { Node } from './node.js';

/** Of 463 lines: no plot gets beyond it before the test says so. */
const PAUSE_AT = '300';
/** Received, pending, started, 136 lines that tell something, finished. */
export const EVENTS = 140;

/** Where plots are played, whatever serves there. */
export type Place = Pick<Node, 'directory' | 'data' | 'database' | 'talent'>;

/** What the player is given besides its log and its directories. @param seconds how long a plot takes, its pause apart */
export function pausingArgs(directory: string, seconds = 2): readonly string[] {
  return [
    '--seconds',
    String(seconds),
    '--pause-at',
    PAUSE_AT,
    '--pause-until',
    goAheadOf(directory, '{task_id}'),
  ];
}

/** What is known of a task and what happened to it, told as if it were any task: ids of the same length, same log. */
export async function storyOf(place: Place, taskId: string): Promise<{ row: unknown; history: unknown[] }> {
  const plotId = (await place.talent.status({ task_id: taskId })).plot_details?.id ?? 'none';
  const story = {
    row: rowOf(place.data, taskId, place.database),
    history: await historyOf(place.talent, taskId),
  };
  // Versions before say nothing of a plot that is in its place: there the remarks stay what they were.
  const told = JSON.stringify(story)
    .replaceAll(/,?"remarks":"its plot is in its place \(\d+ bytes\)"/g, '')
    .replaceAll(/,?"remarks":"made by plotter player"/g, '');
  return JSON.parse(told.replaceAll(taskId, 'TASK').replaceAll(plotId, 'PLOT').replaceAll('{,', '{'));
}

export async function isInTheMiddle(place: Place, taskId: string): Promise<void> {
  await untilTask(
    place.talent,
    taskId,
    'is in its middle',
    ({ plot_details }) => (plot_details?.progress ?? 0) > 25,
  );
}

/** Lets it play to its end. */
export function goOn(place: Place, taskId: string): void {
  writeFileSync(goAheadOf(place.directory, taskId), '');
}

/** Lets it play to its end and waits until that is known. */
export async function isOver(place: Place, taskId: string): Promise<void> {
  goOn(place, taskId);
  await untilTask(place.talent, taskId, 'is over', ({ status = '' }) =>
    ['finished', 'failed'].includes(status),
  );
}

/** Where the player of that task waits for a file. */
function goAheadOf(directory: string, taskId: string): string {
  return join(directory, `go-${taskId}`);
}
