/**
 * Who starts another keeper when this one is killed: a shell that waits for the end of a pipe. It sleeps until then, and has a
 * session of its own; where its owner is killed at the same moment, nobody else would enforce the deadlines of what still runs.
 *
 * Guarantee: there is one from the first process with a deadline on until the keeper ends in order; one that is killed is followed
 * by another.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { keeperEnvironment } from '../environment.js';
import { complain } from './complain.js';

const SHELL = '/bin/sh';
const DISMISSED = 'bye';
/** What it runs is not named in its arguments: who looks for keepers by their command line does not find it. */
const SCRIPT = `while read -r word; do last=$word; done
[ "$last" = ${DISMISSED} ] || exec "$OWL_GUARD_NODE" "$OWL_GUARD_PROGRAM" "$OWL_GUARD_DIRECTORY"`;
const AGAIN_MS = 1_000;

export class Guardian {
  private readonly environment: Readonly<Record<string, string>>;
  private readonly clock: Clock;
  private shell: ChildProcess | undefined;
  private isDismissed = false;
  private hasBegun = false;

  /** @param program of the keeper @param directory that it is given */
  constructor(program: string, directory: string, clock: Clock) {
    this.clock = clock;
    this.environment = {
      ...keeperEnvironment(),
      ...{ OWL_GUARD_NODE: process.execPath, OWL_GUARD_PROGRAM: program, OWL_GUARD_DIRECTORY: directory },
    };
  }

  /** Again changes nothing. */
  begin(): void {
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.start();
  }

  /** The keeper ends in order, and no other is needed. */
  dismiss(): void {
    this.isDismissed = true;
    this.shell?.stdin?.end(`${DISMISSED}\n`);
  }

  private start(): void {
    if (this.isDismissed) return;
    const shell = spawn(SHELL, ['-c', SCRIPT], {
      ...{ detached: true, cwd: '/', env: this.environment },
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    this.shell = shell;
    shell.stdin?.on('error', () => undefined);
    shell.once('error', (error) => {
      complain(`nobody would follow this keeper if it were killed: ${messageOf(error)}`);
    });
    shell.once('close', () => this.clock.after(AGAIN_MS, () => this.start()));
    // What is kept alone says how long the keeper stays.
    shell.unref();
    if (shell.stdin !== null && 'unref' in shell.stdin && typeof shell.stdin.unref === 'function')
      shell.stdin.unref();
  }
}
