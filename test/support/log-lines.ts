/** A logger whose lines a test can read. */

import { type Logger, pino } from 'pino';

export interface LogLines {
  readonly logger: Logger;
  /** The messages of that level, in order. */
  messages(level: 'info' | 'warn' | 'error'): string[];
}

export function logLines(): LogLines {
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  return {
    logger,
    messages: (level) => {
      const wanted = logger.levels.values[level];
      return lines.flatMap((line) => {
        const entry: unknown = JSON.parse(line);
        if (typeof entry !== 'object' || entry === null || !('level' in entry) || !('msg' in entry))
          return [];
        return entry.level === wanted && typeof entry.msg === 'string' ? [entry.msg] : [];
      });
    },
  };
}
