/** The shortest way from a plotter's lines to the facts that its parser finds in them. */

import type { LogLine } from '../../../../src/processes/logs/line-reader.js';
import type { Facts } from '../../../../src/systems/talent/log-receiver/facts.js';
import { createParser, type LogFormat } from '../../../../src/systems/talent/log-receiver/parsers/index.js';
import { toLines } from '../../../support/plotter-logs.js';

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
