/**
 * A service of owl as a child of this process, kept running: a node, or what a system runs on machines.
 *
 * Guarantees: it is there when it has printed its first line; one that ends unasked is started again, later each time unless
 * it was well for a while, and given up when it does not stay at all; it ends in order when it is stopped, and also when this
 * process vanishes, however that happens (see program.ts); `stop` leaves no process.
 */

import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '../../base/clock.js';
import { messageOf, OwlError, ToldError } from '../../base/errors.js';
import { LaunchedProcess } from './launched-process.js';
import { type Service, startService } from './start-service.js';

const OWL = fileURLToPath(new URL('../../owl.js', import.meta.url));
/** How long one that was asked to end may take. Talent gives calls under way five seconds. */
const ENDS_WITHIN_MS = 15_000;
/**
 * With pauses of at most ten seconds that is one that has not stayed for minutes. Who runs this process (systemd, a person)
 * is told by its end, and may do better.
 */
const GIVE_UP = { times: 30, withinMs: 600_000 };

export interface OwlChildOptions {
  readonly name: string;
  /** The file of the executable. Default: owl's own. */
  readonly program?: string;
  /** What stands behind `owl` on its command line; asked at each start. */
  readonly args: () => readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Told when it has to be started again. */
  readonly logger: Logger;
  /** Where its own log goes. Default: where this process's stderr goes. */
  readonly log?: { readonly fd: number; readonly path: string };
  /** Default: the system's. */
  readonly clock?: Clock;
}

/** A child that is there, and the first line that it printed. */
export interface OwlChild {
  readonly process: LaunchedProcess;
  readonly firstLine: string;
}

/**
 * A first start that fails is not tried again: `started` rejects, OwlError kind `unavailable`, and its log says why; a
 * ToldError where that log is this process's stderr and it has ended by itself.
 */
export function startOwlChild(options: OwlChildOptions): Service<OwlChild> {
  const { name, program = OWL, args, env, cwd, logger, log, clock = systemClock } = options;
  const tell = (how: string, delayMs: number): void =>
    logger.error({ service: name, how, delayMs }, 'a service is gone; starting it again');
  const where = log === undefined ? 'its reason stands above' : `${log.path} says why`;
  return startService<OwlChild>({
    name,
    clock,
    knock: (process) => {
      const firstLine = process?.firstLine;
      return process === undefined || firstLine === undefined ? undefined : { process, firstLine };
    },
    launch: () =>
      new LaunchedProcess({
        argv: [process.execPath, program, ...args()],
        ...{ cwd, env, fate: 'shares', stderr: log?.fd ?? 2, stdout: 'first line' },
      }),
    gone: ({ process }) => process.ended,
    release: ({ process }) => process.end(clock, ENDS_WITHIN_MS),
    endsWithinMs: ENDS_WITHIN_MS,
    firstStart: { triedForMs: 0 },
    giveUp: GIVE_UP,
    backoff: { firstMs: 100, longestMs: 10_000 },
    notStarted: (process) => {
      const { failure } = process;
      const why =
        failure === undefined
          ? `did not start (${process.howItEnded()}); ${where}`
          : `can't be started: ${messageOf(failure)}`;
      const hasTold = log === undefined && failure === undefined && process.hasFailed;
      return new (hasTold ? ToldError : OwlError)('unavailable', `${name} ${why}`, { cause: failure });
    },
    onGone: ({ process }, delayMs) => tell(process.howItEnded(), delayMs),
    onFailed: (error, delayMs) => tell(messageOf(error), delayMs),
  });
}
