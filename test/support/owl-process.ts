/** The real `owl` executable as a process. Guarantee: whatever a test starts is gone when the test ends. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { until } from './until.js';

const OWL = fileURLToPath(new URL('../../src/owl.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface OwlProcess {
  readonly child: ChildProcess;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<Ended>;
}

export interface OwlOptions {
  readonly cwd: string;
  /** The executable. Default: that of this checkout. */
  readonly owl?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function startOwl(t: Test, args: readonly string[], options: OwlOptions): OwlProcess {
  const { cwd, owl = OWL, env = {} } = options;
  // Nothing of the surroundings: what the command knows is what the test says.
  const child = spawn(process.execPath, [owl, ...args], { cwd, env: { PATH: process.env['PATH'], ...env } });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  }
  const closed = once(child, 'close');
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await closed;
  });
  return {
    child,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    ended: closed.then(() => ({ code: child.exitCode, ...texts })),
  };
}

export interface RunningTalent {
  readonly process: OwlProcess;
  /** HOST:PORT */
  readonly address: string;
}

/** Starts `owl talent` on a free port and waits until it serves. */
export async function startTalentProcess(
  t: Test,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningTalent> {
  const running = startOwl(t, ['talent', '--listen', '127.0.0.1:0', ...args], { cwd, env });
  await untilServing(running);
  const address = /serves at (\S+) as worker/.exec(running.stdout())?.[1];
  if (address === undefined) throw new Error(`the talent said something else: ${running.stdout()}`);
  return { process: running, address };
}

/** Resolves when the talent has said where it serves. */
export async function untilServing(talent: OwlProcess): Promise<void> {
  await until('the talent serves', () => {
    if (talent.child.exitCode !== null) throw new Error(`the talent ended: ${talent.stderr()}`);
    return talent.stdout().endsWith('\n');
  });
}
