/**
 * owl as the program that this process is, and the only place with signal handlers. The first SIGINT or SIGTERM asks the command to
 * end in order, the second one ends the process at once. A parent that keeps a channel to it is missed like this too: when that is
 * gone, however and whenever it went, the command ends in order.
 */

import { fileURLToPath } from 'node:url';
import { EXIT } from './cli/exit.js';
import type { System } from './cli/system.js';
import { Output } from './cli/terminal.js';
import { runOwl } from './run.js';

const exitCodes = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;

/** @param program the URL of the executable: what it starts of its own is started by the same one */
export async function runProgram(systems: readonly System[], program: string): Promise<void> {
  const { env } = process;
  process.exitCode = await runOwl(
    process.argv.slice(2),
    {
      env,
      cwd: process.cwd(),
      out: new Output(process.stdout, env),
      err: new Output(process.stderr, env),
      interrupted: interruption(),
      program: fileURLToPath(program),
    },
    systems,
  );
}

function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(exitCodes[signal]);
      controller.abort(signal);
    });
  }
  process.once('disconnect', () => controller.abort('SIGTERM'));
  // It may have gone while this program was loaded; whoever never had such a parent is neither connected nor not.
  if (process.connected === false) controller.abort('SIGTERM');
  process.channel?.unref();
  return controller.signal;
}
