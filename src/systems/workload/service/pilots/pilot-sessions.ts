/**
 * Whose word a report is: the session that holds the lease of its pilot.
 *
 * Guarantees: a session that was replaced, or has left, is refused, here at once and on other nodes as soon as this one has read it;
 * one that counts as lost is believed, for its claims live. Looked up in the store once for a session, and followed from then on.
 */

import type { PilotSnapshot, pilotMachine } from '../../../../../machines/workload/pilot.js';
import { OwlError } from '../../../../base/errors.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import type { Peers } from '../../../../peers/served-peers.js';
import type { WorkloadContext } from '../workload-context.js';
import { pilotKind } from './pilot-kind.js';

const MOST_KNOWN = 10_000;

export class PilotSessions {
  private readonly system: WorkloadContext['system'];
  private readonly peers: Peers<typeof pilotMachine>;
  private readonly known = new Map<string, { readonly sessionId: string; readonly over: AbortSignal }>();

  constructor({ system }: Pick<WorkloadContext, 'system'>, peers: Peers<typeof pilotMachine>) {
    this.system = system;
    this.peers = peers;
  }

  /** @throws OwlError kind `refused`, reason `stale_session` */
  async assertHolds(pilot: string, sessionId: string): Promise<void> {
    const known = this.known.get(pilot);
    if (known?.sessionId === sessionId && !known.over.aborted) return;
    await this.follow(pilot, sessionId);
  }

  /** Aborts once the session is over. @throws as above */
  async follow(pilot: string, sessionId: string): Promise<AbortSignal> {
    try {
      const over = await this.peers.leases.follow(pilot, sessionId);
      if (this.known.size >= MOST_KNOWN) this.known.clear();
      this.known.set(pilot, { sessionId, over });
      return over;
    } catch (error) {
      if (isRefusal(error))
        throw new OwlError('refused', error.message, { cause: error, reason: 'stale_session' });
      throw error;
    }
  }

  /** As it is stored. */
  async read(pilot: string): Promise<PilotSnapshot> {
    return (await this.system.read(pilotKind.type, pilot)).snapshot;
  }
}
