/**
 * What the store holds of the lease of a loop: who has it, or that nobody has. Each record says all of it, so that only the
 * newest is ever read, and a store that nodes share keeps no more than the newest of them.
 *
 * Guarantee: of several nodes that write after the same record one is taken.
 */

import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import { RevisionConflictError } from '../../base/errors.js';
import type { EventSchemas } from '../event-store/event-schema.js';
import {
  type EventStore,
  type RecordedEvent,
  type StreamName,
  streamName,
} from '../event-store/event-store.js';

const RECORDED = 'LoopLeaseRecorded';
/** For people who look who had it lately. */
const KEPT = 16;

/** Not an actor: nothing is decided from older records than the newest. */
export const LOOP_LEASES = {
  category: 'owl_loop',
  events: {
    [RECORDED]: {
      version: 1,
      fields: {
        node_id: 'text',
        /** A new one each time that a node takes it. */
        session_id: 'text',
        /** False: it was given back. */
        held: 'boolean',
        lease_seconds: 'integer',
        /** Unix seconds, for people. */
        recorded_time: 'number',
      },
    },
  },
} as const satisfies { readonly category: string; readonly events: EventSchemas };

export interface LeaseRecord {
  /** -1: there is none. */
  readonly revision: number;
  /** Of the event. */
  readonly id: string;
  readonly held: boolean;
  readonly nodeId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
}

const NONE: LeaseRecord = { revision: -1, id: '', held: false, nodeId: '', sessionId: '', leaseSeconds: 0 };

export interface LeaseRecordsOptions {
  readonly store: EventStore;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly loop: string;
  readonly leaseSeconds: number;
}

export class LeaseRecords {
  readonly stream: StreamName;
  private readonly options: LeaseRecordsOptions;

  constructor(options: LeaseRecordsOptions) {
    this.options = options;
    this.stream = streamName(LOOP_LEASES.category, options.loop);
  }

  /** @throws StoreUnavailableError; DamagedStreamError when nobody can read it */
  async newest(): Promise<LeaseRecord> {
    const { store } = this.options;
    for await (const event of store.readStream(this.stream, { direction: 'backwards', limit: 1 }))
      return recordOf(event) ?? { ...NONE, revision: event.revision };
    return NONE;
  }

  /**
   * In the name of this node.
   * @returns its revision; undefined when another record was faster
   * @throws StoreUnavailableError, also when it may have been stored
   */
  async append(after: number, sessionId: string, held: boolean): Promise<number | undefined> {
    const { store, clock, nodeId, leaseSeconds } = this.options;
    const time = clock.now();
    const id = randomUUID();
    const event = {
      id,
      type: RECORDED,
      version: 1,
      data: {
        ...{ node_id: nodeId, session_id: sessionId, held },
        lease_seconds: leaseSeconds,
        recorded_time: time / 1000,
      },
      metadata: { time, $correlationId: sessionId, $causationId: id, by: 'loop' },
    };
    try {
      const expected = after < 0 ? 'noStream' : after;
      return (await store.append(this.stream, expected, [event], { keepNewest: KEPT })).revision;
    } catch (error) {
      if (error instanceof RevisionConflictError) return undefined;
      throw error;
    }
  }
}

/** Undefined for what is no record that one can go by. */
export function recordOf({ id, type, revision, data, damage }: RecordedEvent): LeaseRecord | undefined {
  const { held, node_id: nodeId, session_id: sessionId, lease_seconds: leaseSeconds } = data;
  if (type !== RECORDED || damage !== undefined || typeof held !== 'boolean') return undefined;
  if (typeof nodeId !== 'string' || typeof sessionId !== 'string' || typeof leaseSeconds !== 'number')
    return undefined;
  return { revision, id, held, nodeId, sessionId, leaseSeconds };
}
