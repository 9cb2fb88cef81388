/** What a lease has to leave to the payloads of a pilot: the time to end by themselves before others may begin in their place. */

import { OwlError } from '../../../base/errors.js';
import type { PeerGrant } from '../../../peers/holder/peer-calls.js';

/** Of a margin, so that what hears nothing is killed long before its end. */
const GRACES_IN_A_MARGIN = 2;

/**
 * The terms, with a margin that is long enough for that.
 * @throws OwlError kind `invalid` where there is no room for it
 */
export function withRoomFor(graceSeconds: number, grant: PeerGrant): PeerGrant {
  const { leaseSeconds, policy } = grant;
  if (policy.kind !== 'end') return grant;
  const { giveUpSeconds } = policy;
  const marginSeconds = Math.max(policy.marginSeconds, GRACES_IN_A_MARGIN * graceSeconds);
  if (marginSeconds > 0 && giveUpSeconds >= leaseSeconds + marginSeconds)
    return { ...grant, policy: { ...policy, marginSeconds } };
  const rule =
    marginSeconds === policy.marginSeconds
      ? `the node's workload.give_up_seconds (${giveUpSeconds}) must be at least its workload.lease_seconds (${leaseSeconds}) and workload.margin_seconds (${marginSeconds}) together, and the latter more than 0`
      : `the node's workload.give_up_seconds (${giveUpSeconds}) must be at least its workload.lease_seconds (${leaseSeconds}) and twice workload.pilot.grace_seconds (${graceSeconds}) together`;
  throw new OwlError(
    'invalid',
    `there is no time for what runs to end before others may begin it anew: ${rule}`,
  );
}
