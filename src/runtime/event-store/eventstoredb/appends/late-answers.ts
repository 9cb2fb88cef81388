/**
 * Looks for appends in their streams when the server says nothing of them: it drops an append whose events it has written and
 * not yet indexed, when another one appends them at the same time.
 *
 * Guarantees: an append is looked for once answers to those that were sent after it have come and its own has not, for some
 * while, or when no answers come at all; then again and again, with growing pauses, until it is found or ended. While answers
 * come in the order of the appends nothing is read, however long each takes, and there is one timer for all of them.
 */

import { Backoff } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';

/** How long an append may be behind others, or all may be without an answer; up to twice as long, in fact. */
const PATIENCE_MS = 200;
const PAUSES = { firstMs: 4 * PATIENCE_MS, longestMs: 2_000 };

export class LateAnswers {
  private readonly clock: Clock;
  /** In the order in which they were sent. */
  private readonly expected = new Set<LateAnswer>();
  private sent = 0;
  /** The newest append that was answered, now and when it was looked at last. */
  private newest = 0;
  private newestBefore = 0;
  private answers = 0;
  private answersBefore = 0;
  private isArmed = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /**
   * To be called when an append is sent. The caller says when it is over.
   * @param look must not reject
   */
  expect(look: () => Promise<void>): LateAnswer {
    this.sent += 1;
    const late = new LateAnswer(this.sent, this.clock.monotonic(), look);
    this.expected.add(late);
    this.arm();
    return late;
  }

  /** @param isAnswered the server has said what became of it */
  end(late: LateAnswer, isAnswered: boolean): void {
    late.isEnded = true;
    this.expected.delete(late);
    if (!isAnswered) return;
    this.answers += 1;
    if (late.number > this.newest) this.newest = late.number;
  }

  private arm(): void {
    if (this.isArmed) return;
    this.isArmed = true;
    this.clock.after(PATIENCE_MS, () => {
      // After a hold-up of this process there may be answers that nobody has read yet: they are read first.
      setImmediate(() => {
        this.isArmed = false;
        this.lookForLate();
        if (this.expected.size > 0) this.arm();
      });
    });
  }

  private lookForLate(): void {
    const now = this.clock.monotonic();
    const isSilent = this.answers === this.answersBefore;
    for (const late of this.expected) {
      if (!isSilent && late.number > this.newestBefore) break;
      if (now - late.sentAt >= PATIENCE_MS) late.lookAt(now);
    }
    this.answersBefore = this.answers;
    this.newestBefore = this.newest;
  }
}

export class LateAnswer {
  readonly number: number;
  /** In running time. */
  readonly sentAt: number;
  /** Nobody needs the answer any more. */
  isEnded = false;
  private readonly look: () => Promise<void>;
  private backoff: Backoff | undefined;
  private nextAt = 0;
  private isLooking = false;

  constructor(number: number, sentAt: number, look: () => Promise<void>) {
    this.number = number;
    this.sentAt = sentAt;
    this.look = look;
  }

  /** @param now running time */
  lookAt(now: number): void {
    if (this.isLooking || now < this.nextAt) return;
    this.isLooking = true;
    this.backoff ??= new Backoff(PAUSES);
    this.nextAt = now + this.backoff.next();
    void this.look().finally(() => {
      this.isLooking = false;
    });
  }
}
