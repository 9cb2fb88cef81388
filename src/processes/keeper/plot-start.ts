/** What a supervisor asks its keeper to start. */

import type { PlotRecord } from '../records/process-record.js';
import type { Environment } from './plotter-environment.js';

/** All of a record that is known before its process is, and what the process gets to see. */
export interface PlotStart extends Omit<PlotRecord, 'process' | 'started_time' | 'cgroup'> {
  /** All of the plotter's environment but its mark; in no record. Default: what every plotter has. */
  readonly environment?: Environment;
}

/** Its sender is this version's supervisor or a later one: what the keeper itself uses must be there. */
export function isPlotStart(value: unknown): value is PlotStart {
  if (typeof value !== 'object' || value === null) return false;
  const { task_id, attempt, log_path, argv, environment }: Partial<Record<keyof PlotStart, unknown>> = value;
  return (
    (environment === undefined || isEnvironment(environment)) &&
    typeof task_id === 'string' &&
    typeof attempt === 'number' &&
    typeof log_path === 'string' &&
    Array.isArray(argv) &&
    argv.every((element) => typeof element === 'string')
  );
}

function isEnvironment(value: unknown): value is Environment {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((one) => typeof one === 'string')
  );
}
