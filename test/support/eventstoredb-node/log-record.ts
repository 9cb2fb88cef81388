/** Part of a test double of EventStoreDB: one record of its transaction log. */

export interface ProposedRecord {
  readonly id: string;
  readonly type: string;
  readonly json: boolean;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface LogRecord extends ProposedRecord {
  readonly stream: string;
  readonly revision: bigint;
  /** Commit and prepare position in one: the server commits each write by itself. */
  readonly position: bigint;
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
}
