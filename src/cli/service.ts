/** What the commands that run a service have in common. */

import { once } from 'node:events';
import { type Logger, pino } from 'pino';
import type { NodeConfig } from '../node/config/node-section.js';
import { LINE_OPTIONS, logLines } from './log-lines.js';
import type { Terminal } from './terminal.js';

/** Node's longest timer. */
const LONG_MS = 2_147_483_647;

/** Logs to stderr: stdout is for results. A line is a JSON object, or text where the configuration says so (log-lines.ts). */
export function loggerOf({ err }: Terminal, { log }: Pick<NodeConfig, 'log'>): Logger {
  const options = { level: log.level, formatters: { log: aboutOthers } };
  const write = (line: string): void => void err.write(line);
  return log.format === 'line'
    ? pino({ ...options, ...LINE_OPTIONS }, logLines(write, err.hasColour))
    : pino(options, { write });
}

/** `pid` is who logs, and stands once in a line; another process that a line is about is its `process`. */
function aboutOthers(fields: Record<string, unknown>): Record<string, unknown> {
  if (!('pid' in fields)) return fields;
  const { pid, ...others } = fields;
  return { ...others, process: pid };
}

/**
 * Resolves when the user ends the command. Until then the process stays, whatever else goes on in it.
 * @param failure rejects when there is nothing left to stay for, with the reason; then so does this
 */
export async function untilInterrupted(
  { interrupted }: Terminal,
  failure: Promise<never> = new Promise(() => undefined),
): Promise<void> {
  // Nobody may be left to hear of it.
  failure.catch(() => undefined);
  if (interrupted.aborted) return;
  await staying(Promise.race([once(interrupted, 'abort'), failure]));
}

/** The process stays until this is done, also where nothing else would keep it: what waits for a clock alone does not. */
export async function staying<T>(work: Promise<T>): Promise<T> {
  const stay = setInterval(() => undefined, LONG_MS);
  try {
    return await work;
  } finally {
    clearInterval(stay);
  }
}
