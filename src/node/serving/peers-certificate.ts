/**
 * The certificate that a caller has shown when its connection began.
 *
 * Guarantee: whether it counts is asked anew each time: one that runs out while its connection is there counts no longer.
 */

import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.js';
import type { ShownCertificate } from '../access/access.js';

export class PeersCertificate {
  private readonly clock: Clock;
  private readonly name: string;
  /** Found when hands were shaken. */
  private readonly problem: string | undefined;
  /** Unix milliseconds. */
  private readonly from: number;
  private readonly to: number;

  constructor(shown: Partial<PeerCertificate>, problem: string | undefined, clock: Clock) {
    this.clock = clock;
    this.problem = problem;
    this.from = Date.parse(shown.valid_from ?? '');
    this.to = Date.parse(shown.valid_to ?? '');
    const name: unknown = shown.subject?.CN;
    this.name = typeof name === 'string' ? name : '';
  }

  shown(): ShownCertificate {
    const problem = this.problemNow();
    return problem === undefined ? { name: this.name } : { name: this.name, problem };
  }

  private problemNow(): string | undefined {
    if (this.name === '') return 'it has no common name';
    if (this.problem !== undefined) return this.problem;
    const now = this.clock.now();
    // Dates that can't be read are no dates at which it counts.
    if (!(now <= this.to)) return 'CERT_HAS_EXPIRED';
    return now >= this.from ? undefined : 'CERT_NOT_YET_VALID';
  }
}

/** Undefined where nothing was shown. */
export function certificateOn(socket: TLSSocket, clock: Clock): PeersCertificate | undefined {
  const shown: Partial<PeerCertificate> = socket.getPeerCertificate();
  if (shown.raw === undefined) return undefined;
  const problem = socket.authorized ? undefined : String(socket.authorizationError ?? 'it was not verified');
  return new PeersCertificate(shown, problem, clock);
}
