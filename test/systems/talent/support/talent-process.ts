/** A real talent in a process of its own, to be killed and started again at the same address with the same data. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RunningTalent } from '../../../support/running-talent.js';

const MAIN = fileURLToPath(new URL('run-talent.js', import.meta.url));

export interface TalentProcess extends RunningTalent {
  /** As `kill -9` does. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** @param data directory whose parent exists */
export async function runTalentApart(
  data: string,
  flags: Readonly<Record<string, string>> = {},
): Promise<TalentProcess> {
  let child: ChildProcess | undefined;
  const startAt = async (listen: string): Promise<unknown> => {
    const started = spawn(process.execPath, [MAIN, data, listen, JSON.stringify(flags)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = started;
    const [line]: unknown[] = await once(started.stdout, 'data');
    return JSON.parse(String(line));
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending === undefined) return;
    const ended = once(ending, 'exit');
    ending.kill(signal);
    await ended;
  };
  const told = await startAt('127.0.0.1:0');
  if (typeof told !== 'object' || told === null || !('address' in told) || !('workerId' in told))
    throw new Error('the talent did not say where it is');
  const address = String(told.address);
  return {
    address,
    workerId: String(told.workerId),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    signal: (signal) => void child?.kill(signal),
    start: async () => {
      if (child === undefined) await startAt(address);
    },
  };
}
