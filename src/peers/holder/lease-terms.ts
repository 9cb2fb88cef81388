/** What both ends of a lease hold to. */

/** Peers beat so often in the length of a lease. */
export const BEATS_IN_A_LEASE = 3;

/**
 * What a holder does when nobody confirms its heartbeats, counted from the sending of the last one that was confirmed:
 * - `go on`: nothing. What comes back is fenced before it changes anything;
 * - `end`: it ends what it does `marginSeconds` before it is given up, so that nobody is declared dead who is at work;
 * - `pause`: it stands still once the part `share` of its lease is over, and goes on when it is confirmed again.
 */
export type LeasePolicy =
  | { readonly kind: 'go on' }
  | { readonly kind: 'end'; readonly giveUpSeconds: number; readonly marginSeconds: number }
  | { readonly kind: 'pause'; readonly share: number };

export interface LeaseTerms {
  readonly leaseSeconds: number;
  readonly policy: LeasePolicy;
}

export const GO_ON: LeasePolicy = { kind: 'go on' };

/** How long a holder may act on one confirmation. Milliseconds; Infinity when nothing ends it. */
export function actsForMs({ leaseSeconds, policy }: LeaseTerms): number {
  switch (policy.kind) {
    case 'go on':
      return Number.POSITIVE_INFINITY;
    case 'end':
      return (policy.giveUpSeconds - policy.marginSeconds) * 1000;
    case 'pause':
      return leaseSeconds * policy.share * 1000;
  }
}
