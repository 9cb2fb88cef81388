/**
 * The commands that follow from one event, sent.
 *
 * Guarantees: they are sent in order, each with an id of its own that a second try has again; one that fails keeps none behind
 * it from being sent, unless it is the store that is away; a refused one counts as sent, and so does one whose target is damaged:
 * that is told, and not held against the event, since what follows in the event's stream concerns others as well.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { DamagedStreamError, OwlError, StoreUnavailableError } from '../../base/errors.js';
import { isRefusal } from '../../base/failure-kinds.js';
import type { ActorType, Command } from '../actors/actor-type.js';
import type { RecordedEvent } from '../event-store/event-store.js';
import { type CommandExecutor, completeCommand, type Reactor } from './reactor.js';

export interface Reaction {
  readonly reactor: Reactor;
  readonly executor: CommandExecutor;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when no command is to be sent any more. */
  readonly signal: AbortSignal;
}

/** @throws what the reactor threw, or the first failure of a command that has to be sent again */
export async function react(event: RecordedEvent, reaction: Reaction): Promise<void> {
  const { reactor, clock, signal } = reaction;
  checkRunning(reaction);
  const commands = await reactor.react(event, { now: clock.now(), signal });
  const failures: unknown[] = [];
  for (const [index, { type, id, command }] of commands.entries()) {
    checkRunning(reaction);
    try {
      await send(reaction, type, id, completeCommand(reactor.name, event, index, command));
    } catch (error) {
      if (error instanceof StoreUnavailableError) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function send(reaction: Reaction, type: ActorType, id: string, command: Command): Promise<void> {
  const { executor, logger, reactor } = reaction;
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

/** A batch that is left half done comes again at the next start, with the same command ids. */
function checkRunning({ reactor, signal }: Reaction): void {
  if (!signal.aborted) return;
  throw new OwlError('unavailable', `reactor ${reactor.name} is stopped; ask again once it is started`);
}
