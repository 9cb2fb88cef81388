/**
 * Which named commands an actor has carried out, and what they were answered (rule 3 of the architecture). Rebuilt with
 * the actor from its events, so it survives restarts.
 *
 * Guarantees: an order is known for a day, by the wall clock, whatever came after it; of other named commands the newest ones
 * are known, and what they decide has to follow from the state. Bounded: with too many orders of one day the next is refused.
 */

import { OwlError } from '../../base/errors.js';
import type { Position, RecordedEvent } from '../event-store/event-store.js';
import { askedOf } from '../event-store/ids.js';
import type { Command } from './actor-type.js';

export interface FirstAnswer {
  readonly revision: number;
  readonly position: Position;
  /** Of an order: what it asked for, and when that was stored, in milliseconds since the Unix epoch. */
  readonly asked?: string;
  readonly time?: number;
}

/** How long the id of an order is known. Said in the proto files of those who take orders. */
const ORDERS_KNOWN_MS = 24 * 3_600_000;
const MOST_ORDERS = 10_000;
const OTHERS_KNOWN = 128;

export class CommandMemory {
  private readonly mostOrders: number;
  private readonly orders = new Map<string, FirstAnswer>();
  private readonly others = new Map<string, FirstAnswer>();

  constructor(mostOrders = MOST_ORDERS) {
    this.mostOrders = mostOrders;
  }

  /**
   * What this very command was answered; undefined when it is new.
   * @throws OwlError kind `exists` when another one was carried out under its id, `retryable` when no more orders can be known
   */
  answerTo(command: Command, now: number): FirstAnswer | undefined {
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
      return undefined;
    }
    return this.others.get(id);
  }

  /** Of a command that was carried out before. */
  get(commandId: string): FirstAnswer | undefined {
    return this.orders.get(commandId) ?? this.others.get(commandId);
  }

  /** Takes note of a stored event; the last event of a command is its answer. */
  remember({ revision, position, metadata }: RecordedEvent, now: number): void {
    const { commandId, asked, time } = metadata;
    if (commandId === undefined) return;
    if (asked === undefined) {
      this.others.set(commandId, { revision, position });
      if (this.others.size > OTHERS_KNOWN) forgetFirst(this.others);
    } else if (time > now - ORDERS_KNOWN_MS) {
      this.orders.set(commandId, { revision, position, asked, time });
    }
  }

  entries(): [string, FirstAnswer][] {
    return [...this.orders, ...this.others];
  }

  reset(entries: Iterable<[string, FirstAnswer]>): void {
    this.orders.clear();
    this.others.clear();
    for (const [id, answer] of entries)
      (answer.asked === undefined ? this.others : this.orders).set(id, answer);
  }

  /** In the order of their times, as far as clocks go. */
  private forgetOld(now: number): void {
    for (const [id, { time = 0 }] of this.orders) {
      if (time > now - ORDERS_KNOWN_MS) return;
      this.orders.delete(id);
    }
  }

  private tooMany(): OwlError {
    return new OwlError(
      'retryable',
      `it had ${this.mostOrders} orders within a day, each of which has to be remembered for a day; order less often, or without a command_id`,
    );
  }
}

export function askedBy({ id, asks }: Command): string | undefined {
  return id === undefined || asks === undefined ? undefined : askedOf(asks.name, asks.content);
}

/** @param asked what was asked for under this id */
export function takenBy(id: string, asked: string | undefined, command: Command): OwlError {
  const [before = 'something else'] = asked?.split('/') ?? [];
  const now = command.asks?.name ?? 'another command';
  const what = before === now ? `another ${before}` : before;
  return new OwlError(
    'exists',
    `command ${id} was ${what} and is not carried out as ${now}; give it an id of its own`,
  );
}

function forgetFirst(map: Map<string, FirstAnswer>): void {
  const first = map.keys().next();
  if (first.done !== true) map.delete(first.value);
}
