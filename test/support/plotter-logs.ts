/** The five recorded logs of plotters as test data: where they are, their bytes and their lines. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { LineReader, type LogLine } from '../../src/processes/logs/line-reader.js';
import type { LogFormat } from '../../src/systems/talent/log-receiver/parsers/index.js';

export const LOGS = {
  chia: { file: 'chia-1.2-k32.log', format: 'chia' },
  chiapos: { file: 'chiapos-2-k18.log', format: 'chiapos' },
  missing: { file: 'chiapos-2-temp-dir-missing.log', format: 'chiapos' },
  madmax: { file: 'madmax-k32.log', format: 'madmax' },
  bladebit: { file: 'bladebit-1-k32.log', format: 'bladebit' },
} as const satisfies Record<string, { file: string; format: LogFormat }>;

export const LOG_NAMES = ['chia', 'chiapos', 'missing', 'madmax', 'bladebit'] as const;
export type LogName = (typeof LOG_NAMES)[number];

export function pathOf(name: LogName): string {
  return join(PACKAGE_ROOT, 'test/fixtures/plotter-logs', LOGS[name].file);
}

export function readLog(name: LogName): Buffer {
  return readFileSync(pathOf(name));
}

/** Every line of these bytes, an unfinished last one included. */
export function toLines(bytes: Uint8Array, offset = 0): LogLine[] {
  const reader = new LineReader({ offset });
  const lines = reader.push(bytes);
  const rest = reader.end();
  return rest ? [...lines, rest] : lines;
}
