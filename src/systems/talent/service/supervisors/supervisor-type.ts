/** A supervisor as the runtime knows it, and as a peer with a lease. */

import {
  SUPERVISOR_EVENTS,
  SUPERVISOR_LEASE,
  supervisorMachine,
} from '../../../../../machines/talent/supervisor.js';
import type { PeerKind } from '../../../../peers/peer-kind.js';
import type { ActorType } from '../../../../runtime/actors/actor-type.js';

export const supervisor: ActorType<typeof supervisorMachine> = {
  category: 'supervisor',
  version: 3,
  machine: supervisorMachine,
  events: SUPERVISOR_EVENTS,
};

export const supervisorPeers: PeerKind<typeof supervisorMachine> = {
  type: supervisor,
  events: SUPERVISOR_LEASE,
  idField: 'worker_id',
  noun: 'supervisor',
  attachCall: 'supervisor_attach',
  leaseOf: ({ value, context }) => ({ ...context, status: value }),
  knows: ({ context }, { report_key_hash = null }) => context.reportKeyHash === report_key_hash,
};
