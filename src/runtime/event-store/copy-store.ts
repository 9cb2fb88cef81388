/**
 * Copies a history from one event store into another.
 *
 * Guarantees:
 * - ids, types, versions, data, metadata (and so the recorded times) and the order within each stream are kept. Streams
 *   keep their order among each other to within a chunk; positions are the target's own;
 * - nothing is written unless each stream of the target is the beginning of the same stream of the source. An empty target
 *   is that, and so is what an interrupted copy has left, however it ended. Hence a copy needs no mark to be known by:
 *   running it again goes on, and a target with any event of its own is refused before it is touched;
 * - it resolves only after the whole target was read again and holds the source's events, by count and hash per stream.
 *
 * It copies the source as it is at the start. What the source takes meanwhile is left out, and told.
 */

import { Backoff, wait } from '../backoff.js';
import type { Clock } from '../clock.js';
import { OwlError, StoreUnavailableError } from '../errors.js';
import { limitConcurrency } from '../limit-concurrency.js';
import { isStreamName } from './append-check.js';
import { CopyChunk } from './copy-chunk.js';
import type { EventStore, RecordedEvent, StreamName } from './event-store.js';
import { Inventory } from './inventory.js';

export type CopyStep = 'reading the target' | 'reading the source' | 'copying' | 'verifying';

export interface CopyProgress {
  readonly step: CopyStep;
  /** Done in this step; where a copy is resumed, `copying` counts what was there. */
  readonly events: number;
  /** Undefined while nobody knows. */
  readonly total: number | undefined;
}
