/** What the peers of a run were told: the checker holds the store against it. */

export type OrderName = 'create' | 'stop' | 'retry';

/** One order under one command id, however often it was sent. */
export interface ToldOrder {
  readonly kind: 'order';
  readonly commandId: string;
  readonly task: string;
  readonly name: OrderName;
  /** Sent so many times at once. A refusal is not kept: of several that are under way, one may be refused and another be accepted. */
  readonly copies: number;
  /** Every revision that it was answered with success. */
  readonly accepted: readonly number[];
  /** The reasons of final refusals. */
  readonly refused: readonly string[];
}

/** One report under one command id. */
export interface ToldReport {
  readonly kind: 'report';
  readonly commandId: string;
  readonly task: string;
  readonly attempt: number;
  readonly logOffset: number;
  readonly accepted: readonly ToldReportAnswer[];
}

export interface ToldReportAnswer {
  readonly revision: number;
  /** Answered as recorded; otherwise there was nothing new in it. */
  readonly recorded: boolean;
}

/** A session that was told that it is attached, or detached. */
export interface ToldSession {
  readonly worker: string;
  readonly session: string;
  readonly told: 'attached' | 'detached';
}

/** What a query, a watch or a page showed of a task. */
export interface Shown {
  readonly task: string;
  readonly revision: number;
  readonly status: string;
  readonly attempt: number;
  /** 32-bit, as on the wire. */
  readonly progress: number;
}

export interface Told {
  readonly commands: Iterable<ToldOrder | ToldReport>;
  readonly sessions: Iterable<ToldSession>;
  readonly shown: Iterable<Shown>;
  /** Streams into which the run itself put something that nobody can read, and since which revision. */
  readonly poisoned: ReadonlyMap<string, number>;
}
