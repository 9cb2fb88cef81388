/**
 * What queries wait for: that the read models hold all that this node has acknowledged, and all that was stored before it
 * began.
 *
 * Guarantees: a query waits for the read models that it names, and for no other; in time it is answered or refused with the
 * reason; when the store turns out to be another one meanwhile, what that holds is waited for.
 */

import { OwlError } from '../../base/errors.js';
import type { ActorSystem } from '../actors/actor-system.js';
import { type Position, START } from '../event-store/event-store.js';
import { LostHistoryError } from '../readers/checkpoints.js';
import type { InheritedEnd } from '../readers/inherited-end.js';
import type { Projector } from './projector.js';

export interface OwnWritesOptions {
  readonly inherited: InheritedEnd;
  readonly system: Pick<ActorSystem, 'acknowledged'>;
  /** How long a query waits at the most. Milliseconds. */
  readonly queryWaitMs: number;
  /** Ends every wait, with its reason. */
  readonly closing: AbortSignal;
}

export class OwnWrites {
  private readonly options: OwnWritesOptions;

  constructor(options: OwnWritesOptions) {
    this.options = options;
  }

  /** Resolves when these read models hold what they have to, and everything up to `atLeast`. @throws OwlError kind `unavailable` */
  async shown(projectors: readonly Projector[], atLeast: Position): Promise<void> {
    const patience = new AbortController();
    const late = setTimeout(() => patience.abort(this.behindError(projectors)), this.options.queryWaitMs);
    try {
      await this.reachNewest(projectors, atLeast, patience.signal);
    } finally {
      clearTimeout(late);
    }
  }

  /** The same through outages, for as long as it takes. @throws OwlError kind `unavailable` when it is closed before */
  async caughtUp(projectors: readonly Projector[]): Promise<void> {
    await this.options.inherited.learnt();
    await this.reachNewest(projectors, START, this.options.closing);
  }

  private async reachNewest(
    projectors: readonly Projector[],
    atLeast: Position,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      const inherited = await this.options.inherited.known(signal);
      if (inherited === undefined) throw this.behindError(projectors);
      try {
        await this.reach(projectors, inherited, atLeast, signal);
        return;
      } catch (error) {
        // A position that the caller knows from the old store would never be reached.
        if (!(error instanceof LostHistoryError) || atLeast !== START) throw error;
      }
    }
  }

  private async reach(
    projectors: readonly Projector[],
    inherited: Position,
    atLeast: Position,
    signal: AbortSignal,
  ): Promise<void> {
    const waits = projectors.map((projector) => {
      // What is of no interest to a read model would only make it wait for news of how far it is.
      const newest = [inherited, this.options.system.acknowledged(projector.categories), atLeast];
      return projector.caughtUpTo(
        newest.reduce((a, b) => (a > b ? a : b)),
        signal,
      );
    });
    await Promise.all(waits);
  }

  private behindError(projectors: readonly Projector[]): OwlError {
    const problem = projectors.map((projector) => projector.status().lastError).find(Boolean);
    const why = this.options.inherited.position === undefined ? 'the event store is away' : problem;
    return new OwlError(
      'unavailable',
      `the read models don't hold yet what was stored${why === undefined ? '' : ` (${why})`}; ask again, owl node status says how far they are`,
    );
  }
}
