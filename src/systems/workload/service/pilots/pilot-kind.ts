/** Pilots as peers: who holds a lease, and their table. */

import { PILOT_EVENTS, PILOT_LEASE, pilotMachine } from '../../../../../machines/workload/pilot.js';
import { type PeersTable, peersProjection } from '../../../../../projections/peers/peers.js';
import { type PeerKind, WITHIN_TWO_LEASES } from '../../../../peers/peer-kind.js';

export const pilotKind: PeerKind<typeof pilotMachine> = {
  type: { category: 'wl_pilot', version: 1, machine: pilotMachine, events: PILOT_EVENTS },
  events: PILOT_LEASE,
  idField: 'peer_id',
  noun: 'pilot',
  attachCall: 'attach of owl.Peers',
  leaseOf: ({ value, context }) => ({ ...context, status: value.lease }),
  knows: ({ context }, { device_type, slots, executables, memory_mib = null }) =>
    context.deviceType === device_type &&
    context.slots === slots &&
    context.memoryMib === memory_mib &&
    JSON.stringify(context.executables) === JSON.stringify(executables),
  handover: WITHIN_TWO_LEASES,
};

export const PILOTS_TABLE: PeersTable = {
  name: 'wl_pilots',
  version: 1,
  category: pilotKind.type.category,
  events: PILOT_LEASE,
  idField: 'peer_id',
  more: { device_type: 'TEXT', slots: 'INTEGER' },
  others: ['PilotReported', 'PilotDrainRequested', 'PilotUndrained', 'PilotRetired'],
};

export const PILOTS = peersProjection(PILOTS_TABLE);
