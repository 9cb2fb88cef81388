/**
 * The lease of a supervisor, as far as it is history: attached, lost, returned, detached. Single heartbeats are not events.
 *
 * What it guarantees:
 * - one session holds the lease at a time: a supervisor that starts anew attaches with a new session and replaces the old
 *   one, whose heartbeats are refused from then on;
 * - only an attached supervisor can be lost, and only a lost one can return;
 * - who detached in order is not lost, and comes back by attaching.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import type { EventSchemas, EventsOf } from '../src/runtime/event-schema.js';

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
    },
  },
  /** No heartbeat came for the length of the lease. */
  SupervisorLost: { version: 1, fields: { worker_id: 'text', session_id: 'text', lost_time: 'number' } },
  /** The lost session is heard again. */
  SupervisorReturned: {
    version: 1,
    fields: { worker_id: 'text', session_id: 'text', returned_time: 'number' },
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
}

const supervisorSetup = setup({
  types: {} as { context: SupervisorContext; events: SupervisorEvent },
  actions: {
    attach: assign(({ event }) =>
      event.type === 'SupervisorAttached'
        ? { sessionId: event.data.session_id, leaseSeconds: event.data.lease_seconds }
        : {},
    ),
  },
});

export const supervisorMachine = supervisorSetup.createMachine({
  id: 'supervisor',
  context: { sessionId: null, leaseSeconds: 0 },
  initial: 'detached',
  states: {
    detached: { on: { SupervisorAttached: { target: 'attached', actions: 'attach' } } },
    attached: {
      on: {
        SupervisorAttached: { target: 'attached', actions: 'attach' },
        SupervisorLost: 'lost',
        SupervisorDetached: 'detached',
      },
    },
    lost: {
      on: {
        SupervisorAttached: { target: 'attached', actions: 'attach' },
        SupervisorReturned: 'attached',
        SupervisorDetached: 'detached',
      },
    },
  },
});

export type SupervisorSnapshot = SnapshotFrom<typeof supervisorMachine>;
export type SupervisorState = SupervisorSnapshot['value'];
