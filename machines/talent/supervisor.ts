/** The life of a supervisor: its lease (machines/peers/lease.ts), and the key that its machine reports with. */

import { assign, type SnapshotFrom, setup } from 'xstate';
import type { EventSchemas, EventsOf } from '../../src/runtime/event-store/event-schema.js';
import {
  ATTACHED_FIELDS,
  DETACHED_FIELDS,
  KEPT_FIELDS,
  keptBy,
  type LeaseContext,
  LOST_FIELDS,
  leaseOf,
  leaseStates,
  NO_LEASE,
  RETURNED_FIELDS,
} from '../peers/lease.js';

/** Points in time are Unix seconds. */
export const SUPERVISOR_EVENTS = {
  SupervisorAttached: {
    version: 1,
    fields: {
      worker_id: 'text',
      ...ATTACHED_FIELDS,
      /** SHA-256 of the key it reports with; absent for one that gives none. */
      report_key_hash: 'text?',
    },
  },
  SupervisorLeaseKept: { version: 1, fields: { worker_id: 'text', ...KEPT_FIELDS } },
  SupervisorLost: { version: 1, fields: { worker_id: 'text', ...LOST_FIELDS } },
  SupervisorReturned: { version: 1, fields: { worker_id: 'text', ...RETURNED_FIELDS } },
  SupervisorDetached: { version: 1, fields: { worker_id: 'text', ...DETACHED_FIELDS } },
} as const satisfies EventSchemas;

export const SUPERVISOR_LEASE = {
  attached: 'SupervisorAttached',
  kept: 'SupervisorLeaseKept',
  lost: 'SupervisorLost',
  returned: 'SupervisorReturned',
  detached: 'SupervisorDetached',
} as const;

export type SupervisorEvent = EventsOf<typeof SUPERVISOR_EVENTS>;

export interface SupervisorContext extends LeaseContext {
  /** What a report about its tasks has to be proven by; null: by nothing. */
  readonly reportKeyHash: string | null;
}

const supervisorSetup = setup({
  types: {} as { context: SupervisorContext; events: SupervisorEvent },
  actions: {
    attach: assign(({ event }) =>
      event.type === 'SupervisorAttached'
        ? { ...leaseOf(event.data), reportKeyHash: event.data.report_key_hash ?? null }
        : {},
    ),
    keep: assign(({ event }) =>
      event.type === 'SupervisorLeaseKept' || event.type === 'SupervisorReturned' ? keptBy(event.data) : {},
    ),
  },
});

export const supervisorMachine = supervisorSetup.createMachine({
  id: 'supervisor',
  context: { ...NO_LEASE, reportKeyHash: null },
  initial: 'detached',
  states: leaseStates(SUPERVISOR_LEASE),
});

export type SupervisorSnapshot = SnapshotFrom<typeof supervisorMachine>;
export type SupervisorState = SupervisorSnapshot['value'];
