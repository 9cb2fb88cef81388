/**
 * The pilot of one machine and device, put together: takes jobs from its node, has their programs started, watches them, stores what
 * they write, and tells how they came out.
 *
 * Guarantees: a directory has one pilot of a name; when `runPilot` resolves, every payload of one before it is watched; `stop` leaves
 * payloads running, for the next pilot of that name to adopt, unless they are set to end with it, and gives the lease back only where nothing is unsettled; while nobody
 * confirms its lease the keeper ends what runs in time, whatever has become of the pilot.
 */

import { type Clock, systemClock } from '../../../base/clock.js';
import { OwlError } from '../../../base/errors.js';
import { guardLock } from '../../../base/lock.js';
import { Releasers } from '../../../base/releasers.js';
import { findProgram } from './executables.js';
import { PilotDirectory } from './pilot-directory.js';
import type { Pilot, PilotOptions } from './pilot-options.js';
import { GrpcRoad } from './road/grpc-road.js';
import type { PilotRoad } from './road/pilot-road.js';
import { RunningPilot } from './running-pilot.js';

const HOUR_MS = 3_600_000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export type { Pilot, PilotOptions, PilotSettings, PilotState } from './pilot-options.js';

/**
 * @throws OwlError kind `refused` when its directory has a pilot already, `invalid` when the directory can't be used or there is nothing
 *   that it could run, `unavailable` when no keeper can be started, or when it is told to end first
 */
export async function runPilot(options: PilotOptions): Promise<Pilot> {
  const { settings, data, logger, clock = systemClock } = options;
  assertName(settings.name);
  const offered = offeredBy(options);
  const releasers = new Releasers(logger);
  try {
    // Timers of the clock keep no process alive, and before there is a keeper or a node nothing else does.
    const alive = setInterval(() => undefined, HOUR_MS);
    releasers.add('process', () => clearInterval(alive));
    const directory = PilotDirectory.of(data, settings.name);
    const lock = directory.takeLock();
    releasers.add('lock', () => lock.release());
    const guarding = new AbortController();
    releasers.add('guard', () => guarding.abort());
    const road = await roadOf(options, clock);
    const pilot = new RunningPilot(options, road, directory, offered, clock);
    const { signal } = guarding;
    const taken = new Promise<OwlError>((resolve) => {
      void guardLock(lock, { clock, logger, signal, onTaken: resolve });
    });
    await pilot.start(releasers, options.interrupted ?? new AbortController().signal);
    return {
      lost: Promise.race([pilot.fenced, taken]),
      status: () => pilot.status(),
      stop: () => releasers.releaseAll(),
    };
  } catch (error) {
    await releasers.releaseAll();
    throw error;
  }
}

async function roadOf(options: PilotOptions, clock: Clock): Promise<PilotRoad> {
  const { server, credentials = {}, broker, settings, logger } = options;
  if (broker === undefined) return new GrpcRoad({ server: server ?? '', credentials, clock, logger });
  // Loaded here, because no other pilot needs it.
  const { AmqpRoad } = await import('./road/amqp/amqp-road.js');
  return new AmqpRoad({ broker, pilot: settings.name, device: settings.device, clock, logger });
}

/** It is the name of a directory, too. */
function assertName(name: string): void {
  if (NAME.test(name)) return;
  throw new OwlError(
    'invalid',
    `a pilot can't be called "${name}": 1 to 64 letters, digits, dots, dashes or underscores, the first one a letter or digit`,
  );
}

/** The names of what it can run. */
function offeredBy({ settings: { executables, device }, variables, logger }: PilotOptions): string[] {
  const path = variables['PATH'] ?? '';
  const offered = Object.entries(executables).flatMap(([name, declaration]) => {
    const { argv, merge_argv = argv } = declaration;
    if ((declaration.device ?? device) !== device) return [];
    const missing = [argv, merge_argv].flatMap(([program = '']) =>
      findProgram(program, path) === undefined ? program : [],
    );
    if (missing.length === 0) return name;
    logger.error({ executable: name, program: missing[0] }, 'the program of an executable is not installed');
    return [];
  });
  if (offered.length > 0) return offered;
  throw new OwlError(
    'invalid',
    `there is nothing that a ${device} pilot could run here: name executables that are installed in workload.executables`,
  );
}
