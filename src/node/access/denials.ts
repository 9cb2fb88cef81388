/**
 * What becomes known of calls that were denied: counts for metrics, lines in the log, and an event where the caller is known.
 *
 * Guarantees: every one is counted; the log gets at most ten lines a minute, and then how many more there were; of a known caller
 * an event is asked for at most once a minute, and nobody waits for it; what is kept is bounded, whoever calls how often.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type { OwlError } from '../../base/errors.js';

import { DENIED_EVERY_MS, type DeniedCall } from './denied-caller.js';

const LINES_A_MINUTE = 10;
const MINUTE_MS = 60_000;
/** Names are those of the access file, which may have others every day. */
const REMEMBERED = 12_000;

export interface DenialsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Stores the event. What it rejects with is told in the log. */
  readonly record: (call: DeniedCall) => Promise<unknown>;
}

export interface DeniedCount {
  readonly kind: string;
  readonly operation: string;
  readonly count: number;
}

interface Told {
  /** Monotonic. */
  at: number;
  /** Since then. */
  more: number;
}

export class Denials {
  private readonly options: DenialsOptions;
  /** By kind and operation, of which there are only so many. */
  private readonly counts = new Map<string, { kind: string; operation: string; count: number }>();
  private readonly told = new Map<string, Told>();
  private readonly recording = new Set<Promise<void>>();
  private lines = { since: Number.NEGATIVE_INFINITY, written: 0, leftOut: 0 };

  constructor(options: DenialsOptions) {
    this.options = options;
  }

  /** Since the node began. */
  get all(): readonly DeniedCount[] {
    return [...this.counts.values()];
  }

  note(
    operation: string,
    { name, address }: { readonly name: string | undefined; readonly address: string },
    { kind, message: reason }: OwlError,
  ): void {
    const key = `${kind} ${operation}`;
    const count = this.counts.get(key) ?? { kind, operation, count: 0 };
    count.count += 1;
    this.counts.set(key, count);
    this.log({ operation, kind, reason, address, caller: name });
    if (name !== undefined) this.tell(name, { operation, kind, reason, address });
  }

  /** Resolves when what was asked for is stored, or could not be. */
  async ended(): Promise<void> {
    this.tellLeftOut();
    await Promise.all(this.recording);
  }

  private log(fields: object): void {
    const { clock, logger } = this.options;
    const now = clock.monotonic();
    if (now - this.lines.since >= MINUTE_MS) {
      this.tellLeftOut();
      this.lines = { since: now, written: 0, leftOut: 0 };
    }
    if (this.lines.written >= LINES_A_MINUTE) {
      this.lines.leftOut += 1;
      return;
    }
    this.lines.written += 1;
    logger.warn(fields, 'a call was denied');
  }

  private tellLeftOut(): void {
    const { leftOut } = this.lines;
    if (leftOut > 0) this.options.logger.warn({ leftOut }, 'more calls were denied than were told');
    this.lines.leftOut = 0;
  }

  private tell(name: string, call: Pick<DeniedCall, 'operation' | 'kind' | 'reason' | 'address'>): void {
    const { clock, logger, record } = this.options;
    const at = clock.monotonic();
    const last = this.told.get(name);
    if (last !== undefined && at - last.at < DENIED_EVERY_MS) {
      last.more += 1;
      return;
    }
    if (last === undefined && this.told.size >= REMEMBERED) this.told.clear();
    this.told.set(name, { at, more: 0 });
    const denied = { ...call, caller: name, denied_calls: 1 + (last?.more ?? 0), denied_at: clock.now() };
    const recorded = record(denied).then(
      () => undefined,
      (error: unknown) => logger.warn({ err: error, caller: name }, 'a denied call could not be recorded'),
    );
    this.recording.add(recorded);
    void recorded.finally(() => this.recording.delete(recorded));
  }
}
