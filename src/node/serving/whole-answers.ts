/**
 * Answers about everything there is, which may be large and take long.
 *
 * Guarantees: one is made at a time, whoever asks; equal questions that wait share the next one, which is begun after they were
 * asked and so shows all that was acknowledged before; one that nobody waits for any more is given up; with too many who wait,
 * or too much that is not read yet, the next one is refused as retryable; each caller is given its answer in a turn of the event loop
 * of its own.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { orAborted } from '../../base/backoff.js';
import { OwlError } from '../../base/errors.js';

export interface WholeAnswersLimits {
  /** Calls that wait. Default 100. */
  readonly waiting?: number;
  /** Bytes of all such answers on their way; one larger answer is given all the same. Default 64 MiB. */
  readonly bytes?: number;
}

/** Made once for all who asked. */
interface Making {
  readonly gone: AbortController;
  readonly made: Promise<Buffer>;
  askers: number;
}

const WAITING = 100;
const BYTES = 64 * 1024 * 1024;

export class WholeAnswers {
  private readonly limits: Required<WholeAnswersLimits>;
  private readonly advice: string;
  /** By question: those that have not begun. */
  private readonly next = new Map<string, Making>();
  private last: Promise<unknown> = Promise.resolve();
  /** The turn of whoever is given its answer last. */
  private lastTurn: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  private onTheirWay = 0;

  /** @param advice what to do instead of asking for everything */
  constructor(advice: string, limits: WholeAnswersLimits = {}) {
    this.advice = advice;
    this.limits = { waiting: WAITING, bytes: BYTES, ...limits };
  }

  /**
   * @param question equal ones are the same
   * @param over the call; it counts until then
   * @throws OwlError kind `retryable`; the signal's reason; what `make` throws
   */
  async ask(
    question: string,
    over: AbortSignal,
    make: (gone: AbortSignal) => Promise<Buffer>,
  ): Promise<Buffer> {
    if (this.waiting >= this.limits.waiting || this.onTheirWay >= this.limits.bytes) throw this.full();
    const making = this.next.get(question) ?? this.begin(question, make);
    making.askers += 1;
    this.waiting += 1;
    try {
      const answer = await orAborted(making.made, over);
      await orAborted(this.ownTurn(), over);
      return this.send(answer, over);
    } finally {
      this.waiting -= 1;
      making.askers -= 1;
      if (making.askers === 0) this.giveUp(question, making);
    }
  }

  /** Whoever asks the same from now on is not to wait for it. */
  private giveUp(question: string, making: Making): void {
    if (this.next.get(question) === making) this.next.delete(question);
    making.gone.abort(new OwlError('unavailable', 'nobody waits for it'));
  }

  /** gRPC copies the whole of an answer as it is sent. Those that share one would stand the loop still with as many copies. */
  private ownTurn(): Promise<unknown> {
    this.lastTurn = this.lastTurn.then(() => nextTurn());
    return this.lastTurn;
  }

  private send(answer: Buffer, over: AbortSignal): Buffer {
    // It may have gone in the very turn in which its answer was made.
    over.throwIfAborted();
    const { length } = answer;
    if (this.onTheirWay > 0 && this.onTheirWay + length > this.limits.bytes) throw this.full();
    this.onTheirWay += length;
    over.addEventListener(
      'abort',
      () => {
        this.onTheirWay -= length;
      },
      { once: true },
    );
    return answer;
  }

  private begin(question: string, make: (gone: AbortSignal) => Promise<Buffer>): Making {
    const gone = new AbortController();
    const made = this.last.then(() => {
      gone.signal.throwIfAborted();
      this.next.delete(question);
      return make(gone.signal);
    });
    this.last = made.catch(() => undefined);
    const making = { gone, made, askers: 0 };
    this.next.set(question, making);
    return making;
  }

  private full(): OwlError {
    return new OwlError(
      'retryable',
      `too many answers about everything are being made or read; ask again later, or ${this.advice}`,
    );
  }
}
