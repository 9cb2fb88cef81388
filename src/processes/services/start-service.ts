/**
 * A service that somebody needs on this machine: found where there is one, started where there is none, and missed when it
 * is gone. What services differ in is data (`ServiceOptions`): how one finds out that it is there, how it is started, when
 * one that is there is not good enough, and what is given up.
 *
 * The modes, and when each is left:
 * 1. *knocking*: who is there is taken, unless it is unfit; that one is ended first. Left for 2 when nobody is there.
 * 2. *starting*: a process is started and knocked for until it is there (then 3), or it has ended, is late or nobody needs it
 *    any more: it is ended, and the try has failed (then 4).
 * 3. *there*: left for 4 when it is gone.
 * 4. *pausing*: longer each time, unless it was well for a while; then 1 again. Where so many tries have failed within so
 *    long that another will not help, the service is given up instead.
 * `stop` leaves each of them.
 *
 * Guarantees: of one service there is one process by this, however often it is started again; a process that was started
 * and is not there in the end is gone; what can be mended by trying again is tried again, and what can not is told.
 */

import { Backoff, type BackoffOptions, untilAborted, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import type { LaunchedProcess } from './launched-process.js';

/** How often one that was started is knocked for. */
const KNOCK_MS = 20;
/** One that was there so long was well: its successor need not wait. */
const WELL_AFTER_MS = 10_000;
const NEVER = new AbortController().signal;

/** @typeParam Found what one has of the service when it is there */
export interface ServiceOptions<Found> {
  /** For people. */
  readonly name: string;
  /**
   * How one finds out that it is there. Undefined: it is not, or not yet. What it throws ends the try.
   * @param launched the process that was started; undefined before any was
   * @param signal aborts when nobody waits for the answer any more
   */
  readonly knock: (
    launched: LaunchedProcess | undefined,
    signal: AbortSignal,
  ) => Found | undefined | Promise<Found | undefined>;
  /** Starts a process of it. What it throws ends the try. */
  readonly launch: () => LaunchedProcess;
  /** Resolves when what was there is gone, or when the signal aborts. */
  readonly gone: (found: Found, signal: AbortSignal) => Promise<void>;
  /** Lets go of it: ends it, where it is no longer needed or is to be replaced, or leaves it to itself. */
  readonly release: (found: Found) => Promise<void>;
  /** Whether one that is there can stay. Otherwise it is released, and replaced. Default: all can. */
  readonly isFit?: (found: Found) => boolean;
  /** What one that was started is given until it is there, in milliseconds. Default: as long as its process runs. */
  readonly startsWithinMs?: number;
  /** What one that is asked to end is given. Milliseconds. */
  readonly endsWithinMs: number;
  /** `finish`: one that is just starting when the service is stopped is awaited, and released. Default: it is ended. */
  readonly stoppedAtStart?: 'end' | 'finish';
  /**
   * What becomes of a first start that fails. `go on`: it is tried again as later ones are. Otherwise it is tried again for so
   * many milliseconds if the failure may pass, and then it has failed for good.
   */
  readonly firstStart: 'go on' | { readonly triedForMs: number };
  /** Default: never, which is for what nobody above can do better. */
  readonly giveUp?: { readonly times: number; readonly withinMs: number };
  readonly backoff: BackoffOptions;
  readonly clock: Clock;
  /** Why one that was started is not there. */
  readonly notStarted: (launched: LaunchedProcess) => OwlError;
  readonly onFound?: (found: Found) => void;
  /** It was there and is gone. Another is tried for after `delayMs`. */
  readonly onGone: (found: Found, delayMs: number) => void;
  /** None could be started. It is tried again after `delayMs`. */
  readonly onFailed: (error: unknown, delayMs: number) => void;
}

export interface Service<Found> {
  /** Resolves when it is there for the first time. Rejects with why the first start has failed. */
  readonly started: Promise<Found>;
  /** Rejects when the service is given up, OwlError kind `unavailable`; it never resolves. */
  readonly givenUp: Promise<never>;
  /** Undefined while it is not there. */
  readonly found: Found | undefined;
  /** Resolves when it was released and nothing more will be started. */
  stop(): Promise<void>;
}

export function startService<Found>(options: ServiceOptions<Found>): Service<Found> {
  return new KeptService(options);
}

class KeptService<Found> implements Service<Found> {
  readonly started: Promise<Found>;
  readonly givenUp: Promise<never>;
  private readonly options: ServiceOptions<Found>;
  private readonly backoff: Backoff;
  private readonly stopping = new AbortController();
  private readonly keeping: Promise<void>;
  /** When it was missed, on the running clock. */
  private missed: readonly number[] = [];
  private current: Found | undefined;
  private rejectGivenUp: (error: OwlError) => void = () => undefined;

  constructor(options: ServiceOptions<Found>) {
    this.options = options;
    this.backoff = new Backoff(options.backoff);
    this.givenUp = new Promise((_, reject) => {
      this.rejectGivenUp = reject;
    });
    // Nobody may be left to hear of these.
    this.givenUp.catch(() => undefined);
    this.started = this.startFirst();
    this.started.catch(() => undefined);
    this.keeping = this.keep();
  }

  get found(): Found | undefined {
    return this.current;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.keeping;
    const found = this.current;
    this.current = undefined;
    if (found !== undefined) await this.options.release(found);
  }

  private async startFirst(): Promise<Found> {
    const { clock, firstStart } = this.options;
    const { signal } = this.stopping;
    const deadline = clock.monotonic() + (firstStart === 'go on' ? 0 : firstStart.triedForMs);
    for (;;) {
      try {
        return await this.bringUp();
      } catch (error) {
        if (signal.aborted || clock.monotonic() >= deadline || !mayPass(error)) throw error;
      }
      await wait(clock, this.backoff.next(), signal);
    }
  }

  private async keep(): Promise<void> {
    const { clock, firstStart } = this.options;
    const { signal } = this.stopping;
    for (let next = this.started; ; next = this.bringUp()) {
      const told = await this.untilMissed(next);
      if (signal.aborted || (next === this.started && told.found === undefined && firstStart !== 'go on'))
        return;
      if (this.isEnough()) {
        this.rejectGivenUp(this.givenUpFor(told.error));
        return;
      }
      const delayMs = Math.round(this.backoff.next());
      if (told.found === undefined) this.options.onFailed(told.error, delayMs);
      else this.options.onGone(told.found, delayMs);
      await wait(clock, delayMs, signal);
      if (signal.aborted) return;
    }
  }

  /** What was there, or why nothing was. */
  private async untilMissed(next: Promise<Found>): Promise<{ found?: Found; error?: unknown }> {
    const { clock, gone } = this.options;
    const { signal } = this.stopping;
    try {
      const found = await next;
      const since = clock.monotonic();
      await Promise.race([gone(found, signal), untilAborted(signal)]);
      if (signal.aborted) return { found };
      this.current = undefined;
      if (clock.monotonic() - since > WELL_AFTER_MS) this.backoff.reset();
      return { found };
    } catch (error) {
      if (!signal.aborted) this.current = undefined;
      return { error };
    }
  }

  private isEnough(): boolean {
    const { giveUp, clock } = this.options;
    if (giveUp === undefined) return false;
    const now = clock.monotonic();
    this.missed = [...this.missed.filter((time) => now - time <= giveUp.withinMs), now];
    return this.missed.length >= giveUp.times;
  }

  private givenUpFor(last: unknown): OwlError {
    const { name, giveUp } = this.options;
    const within = `${Math.round((giveUp?.withinMs ?? 0) / 1000)} seconds`;
    const why = last === undefined ? '' : `; the last time ${messageOf(last)}`;
    return new OwlError(
      'unavailable',
      `${name} was started ${giveUp?.times} times within ${within} and did not stay, so it is given up${why}`,
      { cause: last },
    );
  }

  private async bringUp(): Promise<Found> {
    const { knock, isFit = () => true, release, launch, clock, endsWithinMs, onFound } = this.options;
    let found = await knock(undefined, this.stopping.signal);
    if (found !== undefined && !isFit(found)) {
      await release(found);
      found = undefined;
    }
    if (found === undefined) {
      if (this.stopping.signal.aborted) throw this.unneeded();
      const launched = launch();
      try {
        found = await this.awaitKnocking(launched);
      } catch (error) {
        await launched.end(clock, endsWithinMs);
        throw error;
      }
    }
    this.current = found;
    onFound?.(found);
    return found;
  }

  private async awaitKnocking(launched: LaunchedProcess): Promise<Found> {
    const { clock, knock, isFit = () => true, notStarted, stoppedAtStart = 'end' } = this.options;
    const { startsWithinMs = Number.POSITIVE_INFINITY } = this.options;
    const signal = stoppedAtStart === 'end' ? this.stopping.signal : NEVER;
    const deadline = clock.monotonic() + startsWithinMs;
    for (;;) {
      // Asked before the knock: one that has ended may have done so because another was there already.
      const isStarting = !launched.hasEnded && clock.monotonic() < deadline && !signal.aborted;
      const found = await knock(launched, this.stopping.signal);
      if (found !== undefined && isFit(found)) return found;
      if (found !== undefined)
        throw new OwlError('unavailable', `another ${this.options.name} was faster, and has to be replaced`);
      if (!isStarting) throw signal.aborted ? this.unneeded() : notStarted(launched);
      await Promise.race([wait(clock, KNOCK_MS, signal), launched.ended]);
    }
  }

  private unneeded(): OwlError {
    return new OwlError('unavailable', `${this.options.name} was stopped before it was there`);
  }
}

/** Of all that is told as an OwlError only what is unavailable. */
function mayPass(error: unknown): boolean {
  return !(error instanceof OwlError) || error.kind === 'unavailable';
}
