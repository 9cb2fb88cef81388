/**
 * Rows of jobs as they were written last, so that most events of a job need no look at its row: its numbers, and the state that each
 * revision stands for.
 *
 * Guarantee: what is kept is a guess. Who writes by it says which job and which revision it is of, and where the row is another one,
 * because a transaction was rolled back or somebody else has written, nothing is written and the row is read.
 */

import { idOf, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';

/** Hardly anything comes behind these. */
const OVER: ReadonlySet<string> = new Set(['finished', 'failed', 'cancelled']);
/** So many are kept. */
const MOST_KNOWN = 16_384;

/** Numbers of a job and of its files: of the first of its inputs and of its outputs, and of its log. */
export interface Numbers {
  readonly job: number;
  readonly in: number;
  readonly out: number;
  readonly log: number;
}

export interface KnownJob {
  readonly revision: number;
  /** The number of its task. */
  readonly task: number | null;
  readonly state: string;
  readonly numbers: Numbers;
}

export class KnownJobs {
  private readonly known = new Map<string, KnownJob>();

  /** The row before the event, most likely. */
  before({ stream, revision }: RecordedEvent): KnownJob | undefined {
    const known = this.known.get(idOf(stream));
    return known?.revision === revision - 1 ? known : undefined;
  }

  /** The row as it is behind the event. */
  keep({ stream }: RecordedEvent, row: KnownJob): void {
    const id = idOf(stream);
    if (OVER.has(row.state)) {
      this.known.delete(id);
      return;
    }
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(id, row);
  }

  clear(): void {
    this.known.clear();
  }
}
