/**
 * Pilots as peers: who holds a lease, and their table.
 *
 * Guarantee: a pilot that begins anew in its data directory has its lease at once; one of the same name elsewhere is refused as long as
 * the other is heard, for it would end what that one runs, and be ended by it in turn.
 */

import { PILOT_EVENTS, PILOT_LEASE, pilotMachine } from '../../../../../machines/workload/pilot.js';
import { type PeersTable, peersProjection } from '../../../../../projections/peers/peers.js';
import { OwlError } from '../../../../base/errors.js';
import { type PeerKind, WITHIN_TWO_LEASES } from '../../../../peers/peer-kind.js';

export const pilotKind: PeerKind<typeof pilotMachine> = {
  type: { category: 'wl_pilot', version: 2, machine: pilotMachine, events: PILOT_EVENTS },
  events: PILOT_LEASE,
  idField: 'peer_id',
  noun: 'pilot',
  attachCall: 'attach of owl.Peers',
  leaseOf: ({ value, context }) => ({ ...context, status: value.lease }),
  knows: ({ context }, { device_type, slots, executables, memory_mib = null, instance = null }) =>
    context.instance === instance &&
    context.deviceType === device_type &&
    context.slots === slots &&
    context.memoryMib === memory_mib &&
    JSON.stringify(context.executables) === JSON.stringify(executables),
  whyNotFrom: ({ context }, { instance }) => {
    if (context.instance === null || instance === undefined || context.instance === instance)
      return undefined;
    const { host, pid, leaseSeconds } = context;
    const place = host === null ? 'elsewhere' : `on host ${host}${pid === null ? '' : `, process ${pid}`}`;
    return new OwlError(
      'exists',
      `a pilot of this name is at work ${place}, in another data directory: give this one a name of its own (workload.pilot.name or --name); to put it in the place of that one, stop that one and wait for the ${leaseSeconds} s of its lease`,
      { reason: 'pilot_name_taken' },
    );
  },
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
