/** How the `owl` command ends: the exit codes, and which error ends with which. */

import { OwlError } from '../base/errors.js';
import { ConfigError, type ConfigProblem } from '../node/config/config-problems.js';
import { UnreachableError } from '../wire/call-error.js';

export const EXIT = {
  /** Done. */
  ok: 0,
  /** Refused, or failed. */
  failed: 1,
  /** The command line is wrong: nothing was asked of anyone. What environment or file say wrongly is a failure. */
  usage: 2,
  /** No node could be reached. */
  unreachable: 3,
  /** SIGINT came first. */
  interrupted: 130,
  /** SIGTERM came first. */
  terminated: 143,
} as const;

/** One line for each exit code, for --help. */
export const EXIT_HELP = `Exit codes:
  0    done
  1    refused or failed; the reason is on stderr
  2    wrong usage: the command line can't be meant
  3    no node could be reached
  130  interrupted (143: terminated)`;

/** The command line asks for something that can't be meant. */
export class UsageError extends OwlError {
  override readonly name = 'UsageError';
  /** The command whose help says how it is meant, `owl plot list`, where that is not the one that was run. */
  readonly command: string | undefined;

  constructor(message: string, command?: string) {
    super('invalid', message);
    this.command = command;
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof ConfigError && error.problems.some(isOfCommandLine)) return EXIT.usage;
  if (error instanceof UnreachableError) return EXIT.unreachable;
  return EXIT.failed;
}

/** The place of a setting that was given as an option is that option. */
function isOfCommandLine({ place }: ConfigProblem): boolean {
  return place.startsWith('--');
}
