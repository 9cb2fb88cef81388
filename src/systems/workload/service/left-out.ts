/**
 * What a loop can't tell anything, since what is stored of it can't be read.
 *
 * Guarantees: a refusal of one ends no round, so it keeps no other from its turn; it is told once, and the one is left out until
 * something has happened to it, or the read model was made anew. It is for commands that no state refuses.
 */

import type { Logger } from 'pino';
import { isRefusal } from '../../../base/failure-kinds.js';

/** As its row has it. */
export interface Tellable {
  readonly uid: string;
  readonly revision: number;
}

export class LeftOut {
  private readonly logger: Logger;
  private readonly loop: string;
  /** By uid: the revision at which it was refused. */
  private readonly refused = new Map<string, number>();

  /** @param loop its name */
  constructor(logger: Logger, loop: string) {
    this.logger = logger;
    this.loop = loop;
  }

  /** Whoever looks for a batch has to look for so many more. */
  get size(): number {
    return this.refused.size;
  }

  /** Of the beginning of a loop. */
  forgetAll(): void {
    this.refused.clear();
  }

  /** @param most of those that are left */
  without<One extends Tellable>(some: readonly One[], most: number): One[] {
    return some.filter(({ uid, revision }) => this.refused.get(uid) !== revision).slice(0, most);
  }

  /** False where it was refused. @throws what is no refusal */
  async tell({ uid, revision }: Tellable, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      this.refused.delete(uid);
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const { loop, logger } = this;
      if (this.refused.get(uid) !== revision)
        logger.error({ err: error, loop, uid }, 'what a loop can not tell anything is left out');
      this.refused.set(uid, revision);
      return false;
    }
  }
}
