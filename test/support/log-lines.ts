/** A logger whose lines a test can read. */

import { type Logger, pino } from 'pino';

type Level = 'info' | 'warn' | 'error';

export interface LogLines {
  readonly logger: Logger;
  /** The messages of that level, in order. */
  messages(level: Level): string[];
  /** All fields of the lines of that level, in order. */
  entries(level: Level): object[];
}

export function logLines(): LogLines {
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const entries = (level: Level): object[] => {
    const wanted = logger.levels.values[level];
    return lines.flatMap((line) => {
      const entry: unknown = JSON.parse(line);
      const isWanted =
        typeof entry === 'object' && entry !== null && 'level' in entry && entry.level === wanted;
      return isWanted ? [entry] : [];
    });
  };
  return {
    logger,
    entries,
    messages: (level) =>
      entries(level).flatMap((entry) => ('msg' in entry && typeof entry.msg === 'string' ? [entry.msg] : [])),
  };
}
