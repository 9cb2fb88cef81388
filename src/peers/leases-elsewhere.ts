/**
 * The leases that other nodes of the same store keep. Their heartbeats are not heard here; what is heard is that the node
 * records now and then that it keeps the lease. This watches that it does.
 *
 * Guarantee: when a node has recorded nothing of a lease for so long that it must be gone, `takeOver` is called, once. Only
 * the time counts in which this node could have heard of it.
 */

import type { ListeningTime } from '../base/listening-time.js';
import type { KeptLease } from './lease-events.js';

interface Watched {
  readonly revision: number;
  readonly cancel: () => void;
}

export interface LeasesElsewhereOptions {
  readonly listening: ListeningTime;
  /** How long a keeper may be silent, in lengths of the lease. */
  readonly goneAfter: number;
  readonly takeOver: (lease: KeptLease, revision: number) => void;
}

export class LeasesElsewhere {
  private readonly watched = new Map<string, Watched>();
  private readonly options: LeasesElsewhereOptions;

  constructor(options: LeasesElsewhereOptions) {
    this.options = options;
  }

  /**
   * From now on.
   * @param revision of the event that says so; an older one than known changes nothing
   * @param leases how long its keeper may be silent, in lengths of the lease
   */
  watch(lease: KeptLease, revision: number, leases = this.options.goneAfter): void {
    const { peerId, leaseSeconds } = lease;
    const known = this.watched.get(peerId);
    if (known !== undefined && known.revision > revision) return;
    known?.cancel();
    const cancel = this.options.listening.after(leases * leaseSeconds * 1000, () => {
      this.watched.delete(peerId);
      this.options.takeOver(lease, revision);
    });
    this.watched.set(peerId, { revision, cancel });
  }

  forget(peerId: string): void {
    this.watched.get(peerId)?.cancel();
    this.watched.delete(peerId);
  }

  stop(): void {
    for (const { cancel } of this.watched.values()) cancel();
    this.watched.clear();
  }
}
