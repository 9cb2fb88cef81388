/**
 * The leases that other nodes of the same store keep. Their heartbeats are not heard here; what is heard is that the node
 * records now and then that it keeps the lease. This watches that it does.
 *
 * Guarantee: when a node has recorded nothing of a lease for so long that it must be gone, `takeOver` is called, once. Only
 * the time counts in which this node could have heard of it.
 */

import type { ListeningTime } from '../base/listening-time.js';
import type { KeptLease } from './lease-events.js';

/** The keeper records that it keeps a lease after so many times its length. */
export const RENEWED_AFTER_LEASES = 10;
/** Silent for so many times the length of the lease, its keeper counts as gone. Well above the one before. */
export const SILENT_FOR_LEASES = 30;

interface Watched {
  readonly revision: number;
  readonly cancel: () => void;
}

export class LeasesElsewhere {
  private readonly watched = new Map<string, Watched>();
  private readonly listening: ListeningTime;
  private readonly takeOver: (lease: KeptLease, revision: number) => void;

  constructor(listening: ListeningTime, takeOver: (lease: KeptLease, revision: number) => void) {
    this.listening = listening;
    this.takeOver = takeOver;
  }

  /**
   * From now on.
   * @param revision of the event that says so; an older one than known changes nothing
   * @param leases how long its keeper may be silent, in lengths of the lease
   */
  watch(lease: KeptLease, revision: number, leases = SILENT_FOR_LEASES): void {
    const { workerId, leaseSeconds } = lease;
    const known = this.watched.get(workerId);
    if (known !== undefined && known.revision > revision) return;
    known?.cancel();
    const cancel = this.listening.after(leases * leaseSeconds * 1000, () => {
      this.watched.delete(workerId);
      this.takeOver(lease, revision);
    });
    this.watched.set(workerId, { revision, cancel });
  }

  forget(workerId: string): void {
    this.watched.get(workerId)?.cancel();
    this.watched.delete(workerId);
  }

  stop(): void {
    for (const { cancel } of this.watched.values()) cancel();
    this.watched.clear();
  }
}
