/**
 * Which named commands an actor has carried out, and what they were answered (rule 3 of the architecture). Rebuilt with
 * the actor from its events, so it survives restarts. Bounded: the newest 1000 ids of an actor are known.
 */

import type { Position, RecordedEvent } from '../event-store/event-store.js';

export interface FirstAnswer {
  readonly revision: number;
  readonly position: Position;
}

const REMEMBERED = 1000;

export class CommandMemory {
  private answers = new Map<string, FirstAnswer>();

  get(commandId: string): FirstAnswer | undefined {
    return this.answers.get(commandId);
  }

  /** Takes note of a stored event; the last event of a command is its answer. */
  remember(event: RecordedEvent): void {
    const { commandId } = event.metadata;
    if (commandId === undefined) return;
    this.answers.set(commandId, { revision: event.revision, position: event.position });
    if (this.answers.size <= REMEMBERED) return;
    const oldest = this.answers.keys().next();
    if (oldest.done !== true) this.answers.delete(oldest.value);
  }

  entries(): [string, FirstAnswer][] {
    return [...this.answers];
  }

  reset(entries: Iterable<[string, FirstAnswer]>): void {
    this.answers = new Map(entries);
  }
}
