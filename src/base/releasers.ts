/**
 * What has to be given back, in the order it was taken. Guarantees: releasing runs last in, first out, each exactly once;
 * one that fails is logged and keeps none of the others from running.
 */

import type { Logger } from 'pino';

interface Releaser {
  readonly name: string;
  readonly release: () => void | Promise<void>;
}

export class Releasers {
  private readonly taken: Releaser[] = [];
  private readonly logger: Logger;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  add(name: string, release: () => void | Promise<void>): void {
    this.taken.push({ name, release });
  }

  async releaseAll(): Promise<void> {
    for (let next = this.taken.pop(); next !== undefined; next = this.taken.pop()) {
      try {
        await next.release();
      } catch (error) {
        this.logger.error({ err: error, what: next.name }, 'could not be released in order');
      }
    }
  }
}
