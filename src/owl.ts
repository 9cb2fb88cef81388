#!/usr/bin/env node
/**
 * The executable, and the only place with signal handlers. The first SIGINT or SIGTERM asks the command to end in order,
 * the second one ends the process at once. A parent that keeps a channel to it is missed like this too: when that is gone,
 * however and whenever it went, the command ends in order.
 */

import { EXIT } from './cli/exit.js';
import { Output } from './cli/terminal.js';
import { runOwl } from './run.js';

const interruption = new AbortController();
const exitCodes = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interruption.signal.aborted) process.exit(exitCodes[signal]);
    interruption.abort(signal);
  });
}

process.once('disconnect', () => interruption.abort('SIGTERM'));
// It may have gone while this program was loaded; whoever never had such a parent is neither connected nor not.
if (process.connected === false) interruption.abort('SIGTERM');
process.channel?.unref();

process.exitCode = await runOwl(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  out: new Output(process.stdout, process.env),
  err: new Output(process.stderr, process.env),
  interrupted: interruption.signal,
});
