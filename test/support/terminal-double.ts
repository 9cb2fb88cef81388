/** A terminal whose output a test can read: real streams, so that only who reads them differs. */

import { PassThrough } from 'node:stream';
import { Output, type Terminal } from '../../src/cli/terminal.js';
import { runOwl } from '../../src/run.js';

export interface TerminalDouble extends Terminal {
  /** What was written so far. */
  stdout(): string;
  stderr(): string;
  interrupt(signal: 'SIGINT' | 'SIGTERM'): void;
}

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A screen of that size, instead of a pipe. */
  readonly screen?: { readonly columns: number; readonly rows: number };
}

export function terminalDouble({ env = {}, cwd = '/', screen }: TerminalOptions = {}): TerminalDouble {
  const interruption = new AbortController();
  const texts = { out: '', err: '' };
  const output = (name: 'out' | 'err'): Output => {
    const stream = new PassThrough({ encoding: 'utf8' });
    stream.on('data', (text: string) => {
      texts[name] += text;
    });
    return new Output(screen === undefined ? stream : Object.assign(stream, { isTTY: true, ...screen }), env);
  };
  return {
    env,
    cwd,
    out: output('out'),
    err: output('err'),
    interrupted: interruption.signal,
    stdout: () => texts.out,
    stderr: () => texts.err,
    interrupt: (signal) => interruption.abort(signal),
  };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command to its end. */
export async function owl(args: readonly string[], options: TerminalOptions = {}): Promise<Ran> {
  const terminal = terminalDouble(options);
  const code = await runOwl(args, terminal);
  // What was written last reaches the reader a moment later.
  await new Promise((resolve) => setImmediate(resolve));
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}
