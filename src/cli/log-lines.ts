/**
 * A log for people, a line for each event, where programs get JSON:
 *
 *     owl.job-manager: 2024-01-25 08:51:33,645 | INFO | grants.js:41 | 10 >>> job granted job=… pilot=…
 *
 * Who logs (`name` of the logger, else owl), local time, level, place, process, message, and what it is about.
 *
 * Guarantees: nothing that came from elsewhere breaks a line or moves the cursor; what can't be read as a line of the log is
 * written as it is; a level that is not logged costs nothing. The place is the line of the file that runs, as it is installed
 * (`.js`); finding it costs some microseconds a line, which are spent in this format alone.
 */

import { styleText } from 'node:util';
import { type DestinationStream, type LoggerOptions, pino } from 'pino';
import { z } from 'zod';
import { printable } from './format.js';

/** What every line has, or may have. */
const Line = z.looseObject({
  level: z.number(),
  time: z.number(),
  pid: z.number(),
  name: z.string().optional(),
  place: z.string().optional(),
  msg: z.string().optional(),
  hostname: z.unknown().optional(),
  err: z.unknown().optional(),
});
const LoggedError = z.looseObject({ message: z.string(), stack: z.string().optional() });

/** Stands for who logs where nobody says it. */
const USUAL_NAME = 'owl';

const COLOUR_OF_LEVEL: ReadonlyMap<string, Parameters<typeof styleText>[0]> = new Map([
  ['info', 'green'],
  ['warn', 'yellow'],
  ['error', 'red'],
  ['fatal', 'red'],
]);

/** What a logger needs whose lines are read so. */
export const LINE_OPTIONS: LoggerOptions = { mixin: () => ({ place: placeOf(new Error().stack) }) };

/** Takes JSON lines of a logger and writes them as people read them. */
export function logLines(write: (text: string) => void, hasColour: boolean): DestinationStream {
  return { write: (json) => write(lineOf(json, hasColour)) };
}

/** @param json a line of the log, with its line break; the answer has one too */
export function lineOf(json: string, hasColour: boolean): string {
  const line = parsed(json);
  if (line === undefined) return json;
  const { level, time, pid, name = USUAL_NAME, place, msg = '', hostname: _, err, ...about } = line;
  const label = pino.levels.labels[level] ?? String(level);
  const colour = hasColour ? COLOUR_OF_LEVEL.get(label) : undefined;
  const shown =
    colour === undefined
      ? label.toUpperCase()
      : styleText(colour, label.toUpperCase(), { validateStream: false });
  const places = place === undefined ? '' : ` | ${place}`;
  const [reason, stack] = errorOf(err);
  const fields = Object.entries({ ...about, ...(reason !== undefined && { error: reason }) });
  const said = [printable(msg), ...fields.map(([key, value]) => `${printable(key)}=${valueText(value)}`)];
  return `${name}: ${timeText(time)} | ${shown}${places} | ${pid} >>> ${said.filter((part) => part !== '').join(' ')}\n${stack}`;
}

function parsed(json: string): z.output<typeof Line> | undefined {
  try {
    return Line.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

/** What it says, and where it came from: lines of their own, below. */
function errorOf(err: unknown): [reason: unknown, stack: string] {
  const { data } = LoggedError.safeParse(err);
  if (data === undefined) return [err, ''];
  const frames = (data.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [data.message, frames.map((frame) => `    ${printable(frame.trim())}\n`).join('')];
}

/** A word stands as it is, everything else as JSON. */
function valueText(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"'=\p{C}]+$/u.test(value)) return value;
  return printable(JSON.stringify(value));
}

/** Milliseconds since 1970 as local time, `2024-01-25 08:51:33,645`. */
function timeText(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${day} ${time},${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** `grants.js:41`, of whoever called the logger: the first that is neither the logger nor this file, which maps of the source call `.ts`. */
function placeOf(stack: string | undefined): string | undefined {
  const frames = (stack ?? '').split('\n').slice(1);
  const frame = frames.find((one) => !/[\\/]node_modules[\\/]pino[\\/]|[\\/]log-lines\.[jt]s:/.test(one));
  return /([^\\/()]+:\d+):\d+\)?$/.exec(frame ?? '')?.[1];
}
