/** The player's command line. Where a plotter has the same thing, the letter is that of chiapos' `ProofOfSpace create`. */

import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import type { Replacements } from './recording.js';

export const USAGE = `player: plays a recorded plotter log, for demos and tests. No plot is made.

  --log FILE            the recorded log
  --speed FACTOR        so many times as fast as the plot was (default: 1)
  --seconds TOTAL       or so long altogether
  --lines N             ends after N lines of the log, as a plotter that did not get to its end
  --pause-at N          stands still after N lines of the log until the file of --pause-until is there
  --pause-until FILE
  --exit-code N         ends with this exit code (default: 0)
  --signal SIG          or by this signal
  --stubborn            takes no notice of SIGTERM
  -t, --temp-dir DIR    keeps its temporary files there, and says so in the log
  -2, --temp2-dir DIR   the one that becomes the plot's file (default: as -t)
  -d, --final-dir DIR   puts the plot's file there, and says so in the log
  -f, --file-name NAME  of the plot's file
  --final-file FILE     where the plot's file goes, whatever the log says
  --bytes N             makes that file so large, without filling it (default: a line)
  -i, --id HEX          of the plot
  -m, --memo HEX        of the plot
`;

export interface Settings {
  readonly log: string;
  readonly speed: number;
  /** Undefined: by speed. */
  readonly seconds: number | undefined;
  /** Lines of the log to play. */
  readonly lines: number;
  readonly pause: { readonly at: number; readonly until: string } | undefined;
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | undefined;
  readonly stubborn: boolean;
  readonly finalFile: string | undefined;
  readonly bytes: number | undefined;
  readonly replacements: Replacements;
}

export class UsageError extends Error {}

/** @throws UsageError for what can't be meant */
export function readSettings(args: readonly string[]): Settings {
  const values = parse(args);
  if (values.log === undefined) throw new UsageError('--log FILE is missing');
  return {
    log: values.log,
    speed: readNumber('--speed', values.speed, 1),
    seconds: values.seconds === undefined ? undefined : readNumber('--seconds', values.seconds, 0),
    lines: readWhole('--lines', values.lines, Number.MAX_SAFE_INTEGER),
    pause: readPause(values['pause-at'], values['pause-until']),
    exitCode: readWhole('--exit-code', values['exit-code'], 0),
    signal: values.signal === undefined ? undefined : readSignal(values.signal),
    stubborn: values.stubborn ?? false,
    finalFile: values['final-file'],
    bytes: values.bytes === undefined ? undefined : readWhole('--bytes', values.bytes, 0),
    replacements: {
      plotId: values.id,
      memo: values.memo,
      tempDir: values['temp-dir'],
      temp2Dir: values['temp2-dir'] ?? values['temp-dir'],
      finalDir: values['final-dir'],
      fileName: values['file-name'],
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        log: { type: 'string' },
        speed: { type: 'string' },
        seconds: { type: 'string' },
        lines: { type: 'string' },
        'pause-at': { type: 'string' },
        'pause-until': { type: 'string' },
        'exit-code': { type: 'string' },
        signal: { type: 'string' },
        stubborn: { type: 'boolean' },
        'temp-dir': { type: 'string', short: 't' },
        'temp2-dir': { type: 'string', short: '2' },
        'final-dir': { type: 'string', short: 'd' },
        'file-name': { type: 'string', short: 'f' },
        'final-file': { type: 'string' },
        bytes: { type: 'string' },
        id: { type: 'string', short: 'i' },
        memo: { type: 'string', short: 'm' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readNumber(flag: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (/^[0-9.]+$/.test(text ?? '1') && Number.isFinite(value)) return value;
  throw new UsageError(`${flag} takes a number, not "${text}"`);
}

function readWhole(flag: string, text: string | undefined, otherwise: number): number {
  const value = readNumber(flag, text, otherwise);
  if (Number.isInteger(value)) return value;
  throw new UsageError(`${flag} takes a whole number, not "${text}"`);
}

function readPause(at: string | undefined, until: string | undefined): Settings['pause'] {
  if (at === undefined && until === undefined) return undefined;
  if (at === undefined || until === undefined)
    throw new UsageError('--pause-at and --pause-until are given together or not at all');
  return { at: readWhole('--pause-at', at, 0), until };
}

function readSignal(name: string): NodeJS.Signals {
  if (isSignal(name)) return name;
  throw new UsageError(`--signal takes the name of a signal, SIGKILL for instance, not "${name}"`);
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
