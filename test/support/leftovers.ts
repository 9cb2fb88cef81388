/** What must not be there any more once all of owl but its plots has ended, in order. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { PlotRecord } from '../../src/systems/talent/machine/plot-record.js';
import { plotsIn } from './plots-in.js';
import { type FoundProcess, processesOf } from './processes.js';
import { until } from './until.js';

/** What was told to end before may take that long. */
const ENDS_WITHIN_MS = 10_000;

/** In a data directory: locks, the machine's key and disks, what was logged, what an operator wants, and all that talent keeps. */
const STAYS: ReadonlySet<string> = new Set([
  ...['plots', 'logs', 'drain', 'keeper.log'],
  ...['owl.lock', 'supervisor.lock', 'log-receiver.lock', 'keeper.lock'],
  ...['owl.db', 'read-models.db', 'worker-id', 'report.key', 'places.json'],
  ...['access.json', 'access.lock', 'local-token', 'listening'],
]);

export interface Place {
  /** The supervisor's data directory. */
  readonly data: string;
  /** A path; processes that have to do with it are those of this place. */
  readonly mark: string;
}

/** Waits until nothing is left. @throws Error naming what is */
export async function nothingIsLeft(place: Place, longestMs = ENDS_WITHIN_MS): Promise<void> {
  letGoOfClosedDatabases();
  try {
    await until('nothing is left', () => leftovers(place).length === 0, longestMs);
  } catch {
    throw new Error(`left behind: ${leftovers(place).join('; ')}`);
  }
}

/** SQLite keeps the files of a closed database until the statements are collected that this process had made for it. */
function letGoOfClosedDatabases(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
}

/** A sentence for each process and each file that nobody needs. Plots that are not settled need theirs, and their keeper. */
function leftovers({ data, mark }: Place): string[] {
  const unsettled = plotsIn(data)
    .readAll()
    .processes.map(({ record }) => record);
  const processes = processesOf(mark).filter((found) => !isNeeded(found, unsettled));
  return [
    ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
    ...filesIn(data).flatMap((name) =>
      STAYS.has(name) || isOfKeeper(name, unsettled) ? [] : join(data, name),
    ),
    ...filesIn(plotsIn(data).directory.records).flatMap((name) =>
      // An end whose record was lost is swept out by the next supervisor.
      name.endsWith('.json') ? [] : join(plotsIn(data).directory.records, name),
    ),
  ];
}

function isNeeded({ pid, command }: FoundProcess, unsettled: readonly PlotRecord[]): boolean {
  const isOfPlot = unsettled.some(({ process }) => process.pid === pid);
  return isOfPlot || (unsettled.length > 0 && command.includes('keeper-main.js'));
}

/** It stays as long as one of them runs. */
function isOfKeeper(name: string, unsettled: readonly PlotRecord[]): boolean {
  return ['keeper.sock', 'keeper.lock-journal'].includes(name) && unsettled.length > 0;
}

function filesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
