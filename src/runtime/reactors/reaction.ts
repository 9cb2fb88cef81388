/**
 * The commands that follow from one event, sent.
 *
 * Guarantees: they are sent in bounded parallel, in order where they go to the same target (command-sending.ts), each with an id
 * of its own that a second try has again; a refused one counts as sent, and so does one whose target is damaged: that is told,
 * and not held against the event, since what follows in the event's stream concerns others as well. What a reactor gives as a
 * list is asked for again and sent again as a whole with each try; what it gives lazily goes on behind what was settled.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { DamagedStreamError, OwlError } from '../../base/errors.js';
import { isRefusal } from '../../base/failure-kinds.js';
import type { RecordedEvent } from '../event-store/event-store.js';
import { sendAll } from './command-sending.js';
import { Progress } from './progress.js';
import { type CommandExecutor, completeCommand, type Reactor, type ReactorCommand } from './reactor.js';
import type { SpareCommands } from './reactor-limits.js';

/** Keeps how far the commands of an event are that a reactor gives lazily. */
export interface ProgressKeeper {
  of(event: RecordedEvent): Progress;
  /** Called after each command that was settled. */
  moved(event: RecordedEvent): void;
}

export interface Reaction {
  readonly reactor: Reactor;
  readonly executor: CommandExecutor;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Commands of one event under way at the same time. */
  readonly parallel: number;
  readonly spare: SpareCommands;
  readonly progress: ProgressKeeper;
  /** Aborts when no command is to be sent any more. */
  readonly signal: AbortSignal;
}

/** Of commands that are given lazily so many may wait to be sent again; those of a list are all in memory anyway. */
const MOST_FAILED = 256;

/** @throws what the reactor threw, or the first failure of a command that has to be sent again */
export async function react(event: RecordedEvent, reaction: Reaction): Promise<void> {
  const { reactor, clock, signal, parallel, spare, progress } = reaction;
  checkRunning(reaction);
  const commands = await reactor.react(event, { now: clock.now(), signal });
  const isList = Array.isArray(commands);
  await sendAll(commands, {
    atOnce: parallel,
    spare,
    progress: isList ? new Progress() : progress.of(event),
    mostFailed: isList ? Number.POSITIVE_INFINITY : MOST_FAILED,
    check: () => checkRunning(reaction),
    send: (command, index) => send(reaction, event, command, index),
    settled: () => {
      if (!isList) progress.moved(event);
    },
  });
}

async function send(
  { executor, logger, reactor }: Reaction,
  event: RecordedEvent,
  { type, id, command: given }: ReactorCommand,
  index: number,
): Promise<void> {
  const command = completeCommand(reactor.name, event, index, given);
  try {
    await executor.execute(type, id, command);
  } catch (error) {
    const told = { reactor: reactor.name, target: `${type.category}-${id}`, command: command.id };
    if (error instanceof DamagedStreamError) {
      logger.error(
        { ...told, reason: error.message },
        'the target of a command is damaged; going on with the others',
      );
    } else if (isRefusal(error)) logger.info({ ...told, reason: error.message }, 'command refused');
    else throw error;
  }
}

/** What is left half done comes again at the next start, with the same command ids. */
function checkRunning({ reactor, signal }: Reaction): void {
  if (!signal.aborted) return;
  throw new OwlError('unavailable', `reactor ${reactor.name} is stopped; ask again once it is started`);
}
