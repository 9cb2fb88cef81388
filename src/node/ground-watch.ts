/**
 * Whether the files that a node stands on are still those it has opened: its directory's lock, its database and the log of that.
 *
 * Guarantees: it looks every second, also while nothing is written; what it misses, and a database that is broken, is told in
 * the log once and ends the watch. Whoever runs the node then ends it, in order and with an error: another may have the
 * directory, or what is written is kept by nobody.
 */

import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import type { DatabaseFile } from '../base/database-file.js';
import { messageOf, OwlError } from '../base/errors.js';
import type { DataDirectory } from './data-directory.js';

export interface GroundWatchOptions {
  readonly directory: Pick<DataDirectory, 'assertInPlace'>;
  readonly file: DatabaseFile;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called once, with the reason for people. */
  lost(reason: string): void;
}

const LOOK_EVERY_MS = 1_000;

export class GroundWatch {
  /** Resolves with the reason when the node can't go on; it may never. */
  readonly lost: Promise<OwlError>;
  private readonly options: GroundWatchOptions;
  private resolveLost: (error: OwlError) => void = () => undefined;
  private stopListening: () => void = () => undefined;
  private cancel: () => void = () => undefined;
  private ended = false;

  constructor(options: GroundWatchOptions) {
    this.options = options;
    this.lost = new Promise((resolve) => {
      this.resolveLost = resolve;
    });
    this.lookLater();
    this.stopListening = options.file.onBroken((error) => this.end(error));
  }

  stop(): void {
    this.ended = true;
    this.cancel();
    this.stopListening();
  }

  private lookLater(): void {
    this.cancel = this.options.clock.after(LOOK_EVERY_MS, () => void this.look());
  }

  private async look(): Promise<void> {
    const { directory, file } = this.options;
    try {
      await directory.assertInPlace();
      file.assertInPlace();
    } catch (error) {
      this.end(error);
    }
    if (!this.ended) this.lookLater();
  }

  private end(error: unknown): void {
    if (this.ended) return;
    this.stop();
    const reason = messageOf(error);
    this.options.logger.error({ reason }, 'this node can not rely on its data directory any more and ends');
    this.options.lost(reason);
    this.resolveLost(
      error instanceof OwlError ? error : new OwlError('unavailable', reason, { cause: error }),
    );
  }
}
