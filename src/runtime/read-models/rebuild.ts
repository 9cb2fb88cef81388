/**
 * Fills a read model anew, from the first event on, in shadow tables beside the live ones, and swaps them.
 *
 * Guarantees: until the swap the live tables are whole and go on; the swap is one transaction for all of them and happens only
 * when the shadows hold everything the live tables do; interrupted at any moment, it is taken up again where it stood, unless the store
 * no longer holds what is in the shadow: then it begins anew.
 */

import { OwlError } from '../../base/errors.js';
import type { Position, SubscriptionBatch } from '../event-store/event-store.js';
import { Follower, type FollowerOptions } from '../readers/follower.js';
import { ReadModel, type ReadModelOptions } from './read-model.js';
import { hasShadow, isLost, openShadow, shadowOf, swapShadow } from './read-model-tables.js';

export interface RebuildOptions {
  readonly follow: Omit<FollowerOptions, 'name' | 'open' | 'handle'>;
  readonly model: Omit<ReadModelOptions, 'reader' | 'tables'>;
  /** Keeps the live table where it is, so that a shadow which has come to the end of the store is not outrun for ever. */
  hold(): void;
  /** The live table may go on. */
  release(): void;
  /** The live table is another one now; called before anything else happens in this process. */
  swapped(): void;
}

export interface RebuildStatus {
  /** The shadow holds everything up to here. */
  readonly checkpoint: Position;
  /** The newest position of the store that is known. */
  readonly head: Position;
  /** How much of what is stored is in the shadow; see `FollowerStatus.share`. */
  readonly share: number | undefined;
  readonly lastError: string | undefined;
}

export class Rebuild {
  /** Settles with the swap; rejects when the rebuild is stopped before. */
  readonly done: Promise<void>;
  private readonly options: RebuildOptions;
  private readonly follower: Follower;
  private settle: (error?: unknown) => void = () => undefined;
  private shadow: ReadModel | undefined;
  private holding = false;

  constructor(options: RebuildOptions) {
    this.options = options;
    this.follower = new Follower({
      ...options.follow,
      name: shadowOf(options.model.projection).reader,
      open: () => this.open(),
      handle: (batch) => this.handle(batch),
    });
    this.done = new Promise((resolve, reject) => {
      this.settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Nobody need listen: a rebuild that begins by itself shows in the projector's status.
    this.done.catch(() => undefined);
  }

  start(): void {
    this.follower.start();
  }

  /** What is filled so far stays for the next start. */
  async stop(): Promise<void> {
    await this.follower.stop();
    this.release();
    const { name } = this.options.model.projection;
    this.settle(
      new OwlError(
        'unavailable',
        `the rebuild of ${name} was interrupted; start the projector to go on with it`,
      ),
    );
  }

  status(): RebuildStatus {
    const { checkpoint, head, share, lastError } = this.follower.status();
    return { checkpoint, head, share, lastError };
  }

  private open(): Position {
    const { model } = this.options;
    const { at, projection } = model;
    const isGone = !hasShadow(at, projection) && !isLost(at, shadowOf(projection).reader);
    // A shadow that has vanished meanwhile was swapped by another process.
    if (this.shadow !== undefined && isGone) {
      const { position } = this.shadow;
      this.finish();
      return position;
    }
    this.release();
    openShadow(at, projection);
    this.shadow = new ReadModel({ ...model, ...shadowOf(projection) });
    return this.shadow.position;
  }

  private handle(batch: SubscriptionBatch): void {
    const { shadow } = this;
    if (shadow === undefined) return;
    try {
      shadow.apply(batch);
      if (batch.caughtUp && !this.holding) this.hold();
      if (this.holding) this.trySwap(shadow, batch.checkpoint);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  private trySwap(shadow: ReadModel, reached: Position): void {
    const { at, projection } = this.options.model;
    if (swapShadow(at, projection, shadow.position, reached) !== 'behind') this.finish();
  }

  private finish(): void {
    this.options.swapped();
    this.release();
    this.settle();
    // Not awaited: this runs inside the follower, which ends once it returns.
    void this.follower.stop();
  }

  private hold(): void {
    this.holding = true;
    this.options.hold();
  }

  private release(): void {
    if (!this.holding) return;
    this.holding = false;
    this.options.release();
  }
}
