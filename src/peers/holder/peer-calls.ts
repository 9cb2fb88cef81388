/** The three calls of a lease over owl.Peers, as the holder takes them. */

import { OwlError } from '../../base/errors.js';
import type { PeerAttachRequest, PeerLease } from '../../wire/peer-messages.js';
import type { PeersClient } from '../../wire/peers-client.js';
import type { LeaseCalls } from './lease-holder.js';
import { GO_ON, type LeasePolicy, type LeaseTerms } from './lease-terms.js';

export interface PeerGrant extends LeaseTerms {
  /** The version of its system's protocol that both ends speak. */
  readonly protocol: number;
}

/** @param who what it says of itself: category, id, a session of its own, protocols, and what its system asks for */
export function peerCalls(client: PeersClient, who: PeerAttachRequest): LeaseCalls<PeerGrant> {
  const { category = '', peer_id = '', session_id = '' } = who;
  const session = { category, peer_id, session_id };
  return {
    attach: async (withinMs) => {
      const lease = await client.attach(who, withinMs);
      return { ...termsOf(lease), protocol: lease.protocol ?? 0 };
    },
    beat: async ({ protocol }, withinMs) => ({
      ...termsOf(await client.beat(session, withinMs)),
      protocol,
    }),
    leave: (_grant, reason) => client.leave({ ...session, reason }),
  };
}

/** @throws OwlError of terms that this program does not know */
export function termsOf(lease: PeerLease): LeaseTerms {
  const { lease_seconds: leaseSeconds = 0 } = lease;
  const policy = policyOf(lease);
  // Whoever does not know what it has to do when nobody answers must not begin.
  if (policy === undefined || leaseSeconds <= 0)
    throw new OwlError(
      'unavailable',
      `the node grants a lease on terms that this program does not know (${lease.policy}); upgrade this program`,
    );
  return { leaseSeconds, policy };
}

function policyOf({
  policy,
  give_up_seconds: giveUpSeconds = 0,
  margin_seconds: marginSeconds = 0,
  pause_share: share = 0,
}: PeerLease): LeasePolicy | undefined {
  switch (policy) {
    case 'go on':
      return GO_ON;
    case 'end':
      return { kind: 'end', giveUpSeconds, marginSeconds };
    case 'pause':
      return { kind: 'pause', share };
    default:
      return undefined;
  }
}
