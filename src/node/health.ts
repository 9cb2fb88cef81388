/**
 * Whether a node can do its work, and if not, why: one notion for all who ask, made of what each of its parts knows.
 *
 * Guarantees: it does not serve exactly as long as a part has a reason against it; who follows is told at once and then of every
 * change, and so is the log. What it rests on are states, not single calls: the store says itself whether it takes writes, and
 * `watchQueries` tells of queries what a whole wait of one has shown. So one slow answer changes nothing, and a node that
 * recovers says so within a second or two.
 */

import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { every } from '../base/repeat.js';

/** The part that knows whether the store answers and takes writes. */
export const STORE = 'store';

export class Health {
  /** By part. */
  private readonly reasons = new Map<string, string>();
  private readonly logger: Logger;
  private listener: (serving: boolean) => void = () => undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** Why it does not serve; undefined while it does. For people. */
  get reason(): string | undefined {
    return this.reasons.size === 0 ? undefined : [...this.reasons.values()].join('; ');
  }

  /** What this part knows against it; undefined: nothing. For people. */
  reasonOf(part: string): string | undefined {
    return this.reasons.get(part);
  }

  /** What a part knows against it; undefined: nothing. */
  note(part: string, reason: string | undefined): void {
    const wasServing = this.reasons.size === 0;
    if (reason === undefined) this.reasons.delete(part);
    else this.reasons.set(part, reason);
    const serves = this.reasons.size === 0;
    if (serves === wasServing) return;
    if (serves) this.logger.info('health says SERVING again');
    else this.logger.warn({ reason }, 'health says NOT_SERVING');
    this.listener(serves);
  }

  /** There is one listener. */
  follow(listener: (serving: boolean) => void): void {
    this.listener = listener;
    listener(this.reasons.size === 0);
  }
}

/** Between two looks. A query that has to wait is waited for, so while there is none to answer there is one look at a time. */
export const LOOK_EVERY_MS = 1_000;

export interface QueryWatch {
  /** Waits as a query does, and no longer. @throws why queries are refused */
  readonly ask: () => Promise<void>;
  /** Told after each wait: undefined when it was answered. */
  readonly tell: (reason: string | undefined) => void;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Never rejects. */
export function watchQueries({ ask, tell, clock, signal }: QueryWatch): Promise<void> {
  return every({ clock, pauseMs: LOOK_EVERY_MS, signal }, async () => {
    const reason = await ask().then(() => undefined, messageOf);
    if (!signal.aborted) tell(reason);
  });
}
