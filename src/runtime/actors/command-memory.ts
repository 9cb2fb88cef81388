/**
 * Which named commands an actor has carried out, and what they were answered (rule 3 of the architecture). Rebuilt with
 * the actor from its events, so it survives restarts.
 *
 * Guarantees: an order is known for a day with its answer, by the wall clock, whatever came after it; of other named commands the
 * newest ones are known, and what they decide has to follow from the state; those of them that were answered and stored nothing are
 * known only as long as the actor is in memory or out of a snapshot. Bounded: with too many orders of one day, or
 * too much that they were answered, the next is refused.
 */

import { IdTakenError, OwlError } from '../../base/errors.js';
import type { JsonObject, Position, RecordedEvent } from '../event-store/event-store.js';
import { askedOf } from '../event-store/ids.js';
import type { AnyCommand } from './actor-type.js';

export interface FirstAnswer {
  readonly revision: number;
  /** Undefined where nothing was stored. */
  readonly position?: Position;
  /** Of an order: what it asked for, and when that was stored, in milliseconds since the Unix epoch. */
  readonly asked?: string;
  readonly time?: number;
  /** What it was answered, as JSON: nobody who was given it can change it here. */
  readonly answer?: string;
}

/** How long the id of an order is known. Said in the proto files of those who take orders. */
const ORDERS_KNOWN_MS = 24 * 3_600_000;
const MOST_ORDERS = 10_000;
const OTHERS_KNOWN = 128;
/** Characters of JSON that the orders of a day were answered altogether; the last of them may go beyond it. */
const MOST_ANSWERED = 8 * 1024 * 1024;

export class CommandMemory {
  private readonly mostOrders: number;
  private readonly orders = new Map<string, FirstAnswer>();
  private readonly others = new Map<string, FirstAnswer>();
  private readonly mostAnswered: number;
  /** Characters, of all orders that are known. */
  private answered = 0;

  constructor(mostOrders = MOST_ORDERS, mostAnswered = MOST_ANSWERED) {
    this.mostOrders = mostOrders;
    this.mostAnswered = mostAnswered;
  }

  /**
   * What this very command was answered; undefined when it is new.
   * @throws OwlError kind `exists` when another one was carried out under its id, `retryable` when no more orders can be known
   */
  answerTo(command: AnyCommand, now: number): FirstAnswer | undefined {
    const { id } = command;
    if (id === undefined) return undefined;
    const order = this.orders.get(id);
    const asked = askedBy(command);
    if (order !== undefined) {
      if (order.asked === asked) return order;
      throw takenBy(id, order.asked, command);
    }
    if (asked !== undefined) {
      this.forgetOld(now);
      if (this.orders.size >= this.mostOrders) throw this.tooMany();
      if (this.answered >= this.mostAnswered) throw this.tooMuch();
      return undefined;
    }
    return this.others.get(id);
  }

  /** Takes note of a stored event; the last event of a command is its answer. */
  remember(event: RecordedEvent, now: number): void {
    const { commandId, asked, time } = event.metadata;
    if (commandId === undefined) return;
    if (asked === undefined) {
      this.addOther(commandId, firstAnswerAt(event));
    } else if (time > now - ORDERS_KNOWN_MS) {
      this.addOrder(commandId, firstAnswerAt(event));
    }
  }

  /** Takes note of what a command was answered that is no order and has stored nothing. */
  rememberAnswer({ id }: AnyCommand, revision: number, answer: JsonObject): void {
    if (id !== undefined) this.addOther(id, { revision, answer: JSON.stringify(answer) });
  }

  entries(): [string, FirstAnswer][] {
    return [...this.orders, ...this.others];
  }

  /** Knows these, as far as a day has not passed: what a snapshot holds is forgotten like what is replayed. */
  reset(entries: Iterable<[string, FirstAnswer]>, now: number): void {
    this.orders.clear();
    this.others.clear();
    this.answered = 0;
    for (const [id, first] of entries) {
      if (first.asked === undefined) this.others.set(id, first);
      else if ((first.time ?? 0) > now - ORDERS_KNOWN_MS) this.addOrder(id, first);
    }
  }

  private addOther(id: string, first: FirstAnswer): void {
    this.others.set(id, first);
    if (this.others.size > OTHERS_KNOWN) forgetFirst(this.others);
  }

  private addOrder(id: string, first: FirstAnswer): void {
    this.answered += lengthOf(first) - lengthOf(this.orders.get(id));
    this.orders.set(id, first);
  }

  /** In the order of their times, as far as clocks go. */
  private forgetOld(now: number): void {
    for (const [id, first] of this.orders) {
      if ((first.time ?? 0) > now - ORDERS_KNOWN_MS) return;
      this.orders.delete(id);
      this.answered -= lengthOf(first);
    }
  }

  private tooMany(): OwlError {
    return new OwlError(
      'retryable',
      `it had ${this.mostOrders} orders within a day, each of which has to be remembered for a day; order less often, or without a command_id`,
    );
  }

  private tooMuch(): OwlError {
    return new OwlError(
      'retryable',
      `it answered orders of a day with ${this.answered} characters, each of which has to be remembered for a day; order less often, or without a command_id`,
    );
  }
}

/** As a stored event tells it to whoever sends its command again. */
export function firstAnswerAt({ revision, position, metadata }: RecordedEvent): FirstAnswer {
  const { asked, time, answer } = metadata;
  if (asked === undefined && answer === undefined) return { revision, position };
  return {
    revision,
    position,
    ...(asked !== undefined && { asked, time }),
    ...(answer !== undefined && { answer: JSON.stringify(answer) }),
  };
}

function lengthOf(first: FirstAnswer | undefined): number {
  return first?.answer?.length ?? 0;
}

export function askedBy({ id, asks }: AnyCommand): string | undefined {
  return id === undefined || asks === undefined ? undefined : askedOf(asks.name, asks.content);
}

/** @param asked what was asked for under this id */
export function takenBy(id: string, asked: string | undefined, command: AnyCommand): OwlError {
  const [before = 'something else'] = asked?.split('/') ?? [];
  const now = command.asks?.name ?? 'another command';
  const what = before === now ? `another ${before}` : before;
  return new IdTakenError(id, what, now);
}

function forgetFirst(map: Map<string, FirstAnswer>): void {
  const first = map.keys().next();
  if (first.done !== true) map.delete(first.value);
}
