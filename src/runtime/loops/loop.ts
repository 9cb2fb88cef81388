/**
 * A loop does what reaches out of the store: it publishes, calls, starts, hands out (rule 14 of the architecture). It is no
 * reaction to events, which a new node reads all again, but decides each time from read models what is to be done now.
 *
 * Guarantees, kept by the runner: no round begins before the read models hold all that was stored when it began and all that
 * this node has acknowledged; one round at a time; an event or a time that comes during a round is followed by one more, however
 * many came; a loop with a lease runs on one node of a store at a time.
 *
 * What a loop keeps in turn: *effect, then command*, each with an id that follows from what it is about. A node may be killed
 * between the two, and then the effect comes again; it may be stopped between looking at its lease and the effect, so the command
 * has to be one that changes nothing the second time.
 */

import type { RecordedEvent } from '../event-store/event-store.js';

export interface Loop {
  /** Small letters, digits and dashes. Names it to operators, and its lease in the store. */
  readonly name: string;
  /** Names of the projections that it decides from. Each event that they apply wakes it. */
  readonly readModels: readonly string[];
  /**
   * Runs on one node of a store at a time, which has a lease of this length: one that ended in order is followed at once, one
   * that was killed after a length, also by itself when it is started again. Whole seconds, 1 to 3,600. Left out: it runs on each
   * node.
   */
  readonly leaseSeconds?: number;
  /**
   * Fills what the loop keeps in memory, from its read models: before the first round, and again whenever they were made anew or
   * another node may have run it meanwhile.
   */
  begin?(context: LoopContext): void | Promise<void>;
  /**
   * Follows what its read models have applied, from `begin` on, in the same turn; what it is told while `begin` is under way may
   * stand in the rows already. Answers whether that is a reason for a round. Default: always. When it throws the loop begins anew.
   */
  applied?(events: readonly RecordedEvent[]): boolean;
  /**
   * One round: what is to be done now, done. It may leave the rest to the next one. When it throws it is called again, after a
   * delay that grows.
   */
  round(context: LoopContext): LoopRest | Promise<LoopRest>;
}

export interface LoopContext {
  /** When the round began. Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Aborts when nothing may be begun any more: the node stops, the lease is over, the read models are made anew. Effects get it. */
  readonly signal: AbortSignal;
  /**
   * To be called right before each effect. Looks at the clock, for a process that was stopped, or whose machine slept, hears of
   * that only later.
   * @throws the reason why nothing may be done any more
   */
  assertMayAct(): void;
}

/** Until when a round has left nothing to do. An event ends it too. */
export interface LoopRest {
  /** Milliseconds since the Unix epoch; what is past is at once. Left out: until an event comes. */
  readonly until?: number;
  /** What it waits for, for people: `no slot is free`. */
  readonly why?: string;
}
