/**
 * The lease of a supervisor, as far as it is history: attached, lost, returned, detached, and which node keeps it. Single
 * heartbeats are not events.
 *
 * What it guarantees:
 * - one session holds the lease at a time: a supervisor that starts anew attaches with a new session and replaces the old
 *   one, whose heartbeats are refused from then on;
 * - one node keeps the lease at a time: the one that recorded it last, which alone hears the heartbeats and may say that the
 *   supervisor is lost;
 * - only an attached supervisor can be lost, and only a lost one can return;
 * - who detached in order is not lost, and comes back by attaching.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import type { EventSchemas, EventsOf } from '../../src/runtime/event-store/event-schema.js';

/** Points in time are Unix seconds. */
export const SUPERVISOR_EVENTS = {
  SupervisorAttached: {
    version: 1,
    fields: {
      worker_id: 'text',
      session_id: 'text',
      host: 'text?',
      pid: 'integer?',
      program_version: 'text?',
      lease_seconds: 'integer',
      attached_time: 'number',
      /** The node that keeps the lease; absent in histories from before several nodes shared a store. */
      node_id: 'text?',
      /** SHA-256 of the key it reports with; absent for one that gives none. */
      report_key_hash: 'text?',
    },
  },
  /** The node that keeps the lease says that it still does, or that it does from now on. */
  SupervisorLeaseKept: {
    version: 1,
    fields: {
      worker_id: 'text',
      session_id: 'text',
      lease_seconds: 'integer',
      kept_time: 'number',
      node_id: 'text',
    },
  },
  /** No heartbeat came for the length of the lease. */
  SupervisorLost: { version: 1, fields: { worker_id: 'text', session_id: 'text', lost_time: 'number' } },
  /** The lost session is heard again. */
  SupervisorReturned: {
    version: 1,
    fields: {
      worker_id: 'text',
      session_id: 'text',
      lease_seconds: 'integer?',
      returned_time: 'number',
      node_id: 'text?',
    },
  },
  SupervisorDetached: {
    version: 1,
    fields: { worker_id: 'text', session_id: 'text', detached_time: 'number', reason: 'text?' },
  },
} as const satisfies EventSchemas;

export type SupervisorEvent = EventsOf<typeof SUPERVISOR_EVENTS>;

export interface SupervisorContext {
  /** The session that holds the lease, or held it last; null before the first. */
  readonly sessionId: string | null;
  readonly leaseSeconds: number;
  /** The node that keeps the lease; null while it is not known. */
  readonly nodeId: string | null;
  /** What a report about its tasks has to be proven by; null: by nothing. */
  readonly reportKeyHash: string | null;
}

const supervisorSetup = setup({
  types: {} as { context: SupervisorContext; events: SupervisorEvent },
  actions: {
    attach: assign(({ event }) =>
      event.type === 'SupervisorAttached'
        ? {
            sessionId: event.data.session_id,
            leaseSeconds: event.data.lease_seconds,
            nodeId: event.data.node_id ?? null,
            reportKeyHash: event.data.report_key_hash ?? null,
          }
        : {},
    ),
    keep: assign(({ event }) =>
      event.type === 'SupervisorLeaseKept' || event.type === 'SupervisorReturned'
        ? { nodeId: event.data.node_id ?? null }
        : {},
    ),
  },
});

export const supervisorMachine = supervisorSetup.createMachine({
  id: 'supervisor',
  context: { sessionId: null, leaseSeconds: 0, nodeId: null, reportKeyHash: null },
  initial: 'detached',
  states: {
    detached: { on: { SupervisorAttached: { target: 'attached', actions: 'attach' } } },
    attached: {
      on: {
        SupervisorAttached: { target: 'attached', actions: 'attach' },
        SupervisorLeaseKept: { actions: 'keep' },
        SupervisorLost: 'lost',
        SupervisorDetached: 'detached',
      },
    },
    lost: {
      on: {
        SupervisorAttached: { target: 'attached', actions: 'attach' },
        SupervisorReturned: { target: 'attached', actions: 'keep' },
        SupervisorDetached: 'detached',
      },
    },
  },
});

export type SupervisorSnapshot = SnapshotFrom<typeof supervisorMachine>;
export type SupervisorState = SupervisorSnapshot['value'];
