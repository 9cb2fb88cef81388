/** The five recorded logs as test data, and the shortest way from bytes to facts. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LineReader, type LogLine } from '../../../../../src/processes/logs/line-reader.js';
import type { Facts } from '../../../../../src/systems/talent/log-receiver/facts.js';
import {
  createParser,
  type LogFormat,
} from '../../../../../src/systems/talent/log-receiver/parsers/index.js';

/** The checkout, wherever the compiled tests stand in it. */
export const PROJECT_ROOT = findUpwards(import.meta.dirname);

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
  return join(PROJECT_ROOT, 'test/fixtures/plotter-logs', LOGS[name].file);
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

/** What each line newly tells, one entry per line. */
export function newsOf(format: LogFormat, lines: readonly LogLine[]): Facts[] {
  const parser = createParser(format);
  return lines.map((line) => parser.feed(line.text));
}

/** All that is known at the end. */
export function factsOf(format: LogFormat, lines: readonly LogLine[]): Facts {
  return sumOf(newsOf(format, lines));
}

export function sumOf(news: readonly Facts[]): Facts {
  return Object.assign({}, ...news);
}

/** Reads lines of text as if a plotter had printed them. */
export function factsOfText(format: LogFormat, ...lines: readonly string[]): Facts {
  return factsOf(format, toLines(Buffer.from(lines.join('\n'))));
}

/** Repeatable numbers from 0 to 1. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function findUpwards(directory: string): string {
  if (existsSync(join(directory, 'package.json'))) return directory;
  return findUpwards(dirname(directory));
}
