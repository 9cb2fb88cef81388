/**
 * The life of a pilot: its lease (machines/peers/lease.ts) as one region, and beside it whether it is given work.
 *
 * What it guarantees: a session that attaches takes the pilot back into service, unless it is draining; one that was taken out
 * of service for good comes back by attaching alone.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import {
  type EventSchemas,
  type EventsOf,
  listOf,
  mapOf,
  optional,
  textUpTo,
} from '../../src/runtime/event-store/event-schema.js';
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

export const MOST_EXECUTABLES = 256;

export const PILOT_EVENTS = {
  PilotAttached: {
    version: 1,
    fields: {
      peer_id: 'text',
      ...ATTACHED_FIELDS,
      /** `cpu` or `gpu`. */
      device_type: 'text',
      slots: 'integer',
      memory_mib: 'integer?',
      executables: listOf(textUpTo(50), { most: MOST_EXECUTABLES }),
      labels: optional(mapOf(textUpTo(255), { most: 32 })),
      /** Its data directory, by an id that lies there; absent of a pilot that does not say. */
      instance: optional(textUpTo(64)),
    },
  },
  PilotLeaseKept: { version: 1, fields: { peer_id: 'text', ...KEPT_FIELDS } },
  PilotLost: { version: 1, fields: { peer_id: 'text', ...LOST_FIELDS } },
  PilotReturned: { version: 1, fields: { peer_id: 'text', ...RETURNED_FIELDS } },
  PilotDetached: { version: 1, fields: { peer_id: 'text', ...DETACHED_FIELDS } },
  /** How it is doing: at most once a minute, or when its slots change. Sizes are bytes. */
  PilotReported: {
    version: 1,
    fields: {
      session_id: 'text',
      slots_used: 'integer',
      load: 'number?',
      rss: 'int64?',
      disk_free: 'int64?',
      jobs_done: 'integer',
      jobs_failed: 'integer',
    },
  },
  PilotDrainRequested: { version: 1, fields: { reason: 'text?' } },
  PilotUndrained: { version: 1, fields: { reason: 'text?' } },
  PilotRetired: { version: 1, fields: { reason: 'text?' } },
} as const satisfies EventSchemas;

export const PILOT_LEASE = {
  attached: 'PilotAttached',
  kept: 'PilotLeaseKept',
  lost: 'PilotLost',
  returned: 'PilotReturned',
  detached: 'PilotDetached',
} as const;

export type PilotEvent = EventsOf<typeof PILOT_EVENTS>;

export interface PilotContext extends LeaseContext {
  readonly deviceType: string;
  readonly slots: number;
  /** As it said last. */
  readonly slotsUsed: number;
  readonly memoryMib: number | null;
  /** At most MOST_EXECUTABLES. */
  readonly executables: readonly string[];
  /** Where the session that holds the lease is, or held it last; null where it did not say. */
  readonly instance: string | null;
  readonly host: string | null;
  readonly pid: number | null;
}

const pilotSetup = setup({
  types: {} as { context: PilotContext; events: PilotEvent },
  guards: {
    isOfSession: ({ context, event }) =>
      event.type === 'PilotReported' && event.data.session_id === context.sessionId,
  },
  actions: {
    attach: assign(({ event }) => {
      if (event.type !== 'PilotAttached') return {};
      const { device_type: deviceType, slots, memory_mib, executables } = event.data;
      const { instance = null, host = null, pid = null } = event.data;
      return {
        ...leaseOf(event.data),
        deviceType,
        slots,
        slotsUsed: 0,
        memoryMib: memory_mib ?? null,
        ...{ executables, instance, host, pid },
      };
    }),
    report: assign(({ event }) =>
      event.type === 'PilotReported' ? { slotsUsed: event.data.slots_used } : {},
    ),
    keep: assign(({ event }) =>
      event.type === 'PilotLeaseKept' || event.type === 'PilotReturned' ? keptBy(event.data) : {},
    ),
  },
});

export const pilotMachine = pilotSetup.createMachine({
  id: 'wl_pilot',
  context: {
    ...{ ...NO_LEASE, deviceType: 'cpu', slots: 0, slotsUsed: 0, memoryMib: null, executables: [] },
    ...{ instance: null, host: null, pid: null },
  },
  type: 'parallel',
  states: {
    lease: { initial: 'detached', states: leaseStates(PILOT_LEASE) },
    duty: {
      initial: 'in',
      states: {
        in: {
          on: {
            PilotReported: { guard: 'isOfSession', actions: 'report' },
            PilotDrainRequested: { target: 'draining' },
            PilotRetired: { target: 'retired' },
          },
        },
        draining: {
          on: {
            PilotReported: { guard: 'isOfSession', actions: 'report' },
            PilotUndrained: { target: 'in' },
            PilotRetired: { target: 'retired' },
          },
        },
        retired: { on: { PilotAttached: { target: 'in' } } },
      },
    },
  },
});

export type PilotSnapshot = SnapshotFrom<typeof pilotMachine>;
