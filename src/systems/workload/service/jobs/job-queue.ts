/**
 * The queue between the executor and the pilots: what it carries are hints, and the store decides (a job runs by a grant alone).
 *
 * What every adapter holds to (test/contract/job-queue.ts): a batch that was published is delivered at least once, to consumers of its
 * device that take it; what was delivered is out until it is settled, and comes again when its consumer is gone, when it was
 * released, and when it is published again; what the store has settled is delivered no more; nothing is forgotten over a restart
 * of either side.
 */

import type { RecordedEvent } from '../../../../runtime/event-store/event-store.js';

export interface JobHint {
  /** Its uid. */
  readonly job: string;
  readonly curRetry: number;
  /** What it needs, for who looks before asking. */
  readonly executable?: string;
  readonly memoryMib?: number;
}

/** Who takes hints: the session of a pilot. */
export interface HintConsumer {
  readonly pilot: string;
  readonly sessionId: string;
  /** Whose jobs it takes: `cpu` or `gpu`. */
  readonly device: string;
  /** Hands one over. What becomes of it is told by `settle`, or not at all. */
  deliver(hint: JobHint): void;
}

export interface JobQueue {
  /** In JobQueued. */
  readonly name: string;
  /** Resolves once the broker has them for good. */
  publish(device: string, hints: readonly JobHint[], signal: AbortSignal): Promise<void>;
  /** From now on; the returned function ends it, and what was delivered and not settled goes to others. */
  consume(consumer: HintConsumer): () => void;
  /** A claim was answered: `taken` is granted or gone for good, else others may have it. */
  settle(pilot: string, job: string, outcome: 'taken' | 'released'): void;
  /** How many wait for consumers of a device, those that are out with consumers here included. */
  depth(device: string): Promise<number>;
  /** Hints that are out, of all consumers here. */
  readonly delivered: number;
  /** Why nothing can be published, in a sentence; undefined: it can. */
  readonly away: string | undefined;
  /** What was applied to the read model: a job that something has happened to is out no more. */
  observe(events: readonly RecordedEvent[]): void;
  /** The rows are others. */
  forget(): void;
  stop(): void;
}
