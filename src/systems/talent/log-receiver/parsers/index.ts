/** The log formats owl reads, by the names that plotter declarations use. A new format is a new file and a line here. */

import { createBladebitParser } from './bladebit.js';
import { createChiaposParser } from './chiapos.js';
import { createMadmaxParser } from './madmax.js';
import type { PlotLogParser } from './rule-parser.js';

export type { PlotLogParser } from './rule-parser.js';

const PARSERS = {
  chia: createChiaposParser,
  chiapos: createChiaposParser,
  madmax: createMadmaxParser,
  bladebit: createBladebitParser,
} as const satisfies Record<string, () => PlotLogParser>;

export type LogFormat = keyof typeof PARSERS;

export const LOG_FORMATS: readonly string[] = Object.keys(PARSERS);

export function isLogFormat(name: string): name is LogFormat {
  return Object.hasOwn(PARSERS, name);
}

/** A parser for one plotter's log, which it reads from the begin. */
export function createParser(format: LogFormat): PlotLogParser {
  return PARSERS[format]();
}
