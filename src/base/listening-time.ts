/**
 * The time in which this process could hear others. Who judges the silence of another counts nothing else: while it was
 * stopped, slept, or was too busy to read its sockets, whatever the other said lies there unread.
 *
 * Guarantees:
 * - it counts running time in short slices, and a slice that ends late counts as if it had ended in time: whatever held the
 *   process up (a paused machine, SIGSTOP, a long synchronous query) adds at most one slice. No clock that is set counts;
 * - a hold-up is told to whoever asked, with its length, before anything that is due comes to its turn; a machine that slept
 *   is one, also where its running clock stood still meanwhile;
 * - while what carries the others' words is away nothing counts, and its return is told as the end of a hold-up;
 * - nothing ticks while nobody waits.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from './clock.js';

/** The longest slice: a fraction of the shortest lease, and few enough to cost nothing. */
const SLICE_MS = 500;

/** What lies in a socket takes some turns to become a call: the read, the stream, the message, the handler. */
const TURNS_TO_HEAR = 10;

interface Alarm {
  readonly at: number;
  readonly run: () => void;
}

export class ListeningTime {
  private readonly clock: Clock;
  private readonly alarms = new Set<Alarm>();
  private readonly listeners = new Set<(heldUpMs: number) => void>();
  private listened = 0;
  private sliceBegan = 0;
  private sliceBeganSinceBoot = 0;
  private sliceMs = 0;
  private cancelSlice: (() => void) | undefined;
  /** Reasons for which nobody is heard. */
  private deaf = 0;
  private deafSince = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Milliseconds; it stands still while nobody waits. */
  now(): number {
    if (this.cancelSlice === undefined) return this.listened;
    const inSlice = this.clock.monotonic() - this.sliceBegan;
    return this.listened + Math.min(Math.max(inSlice, 0), this.sliceMs);
  }

  /** Calls `run` once this process has listened for `delayMs` more; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void {
    const alarm = { at: this.now() + Math.max(delayMs, 0), run };
    this.alarms.add(alarm);
    // The slice under way may be longer than the new alarm has time.
    if (this.cancelSlice === undefined || alarm.at < this.listened + this.sliceMs) this.cut();
    return () => this.alarms.delete(alarm);
  }

  /** Resolves once this process has listened for `delayMs` more, or at once when the signal aborts. Never rejects. */
  wait(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const cancel = this.after(delayMs, finish);
      signal.addEventListener('abort', finish, { once: true });
    });
  }

  /** Tells of every hold-up while somebody waits; the returned function ends it. */
  onHeldUp(listener: (heldUpMs: number) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** What carries the words of others is away: nobody is heard, and no time counts, until the returned function is called. */
  deafen(): () => void {
    if (this.deaf === 0) this.deafSince = this.clock.sinceBoot();
    this.listened = this.now();
    this.deaf += 1;
    this.beginSlice();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.deaf -= 1;
      if (this.deaf > 0) return;
      this.tell(Math.max(this.clock.sinceBoot() - this.deafSince, 0));
      this.beginSlice();
    };
  }

  /** Ends the slice under way early. */
  private cut(): void {
    this.listened = this.now();
    this.beginSlice();
  }

  private beginSlice(): void {
    this.cancelSlice?.();
    this.cancelSlice = undefined;
    if (this.alarms.size === 0 || this.deaf > 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.alarms) next = Math.min(next, at);
    this.sliceMs = Math.min(Math.max(next - this.listened, 0), SLICE_MS);
    this.sliceBegan = this.clock.monotonic();
    this.sliceBeganSinceBoot = this.clock.sinceBoot();
    this.cancelSlice = this.clock.after(this.sliceMs, () => this.endSlice());
  }

  private endSlice(): void {
    const ran = this.clock.monotonic() - this.sliceBegan;
    const passed = Math.max(ran, this.clock.sinceBoot() - this.sliceBeganSinceBoot);
    this.listened += this.sliceMs;
    this.cancelSlice = undefined;
    if (passed > this.sliceMs) this.tell(passed - this.sliceMs);
    const due = [...this.alarms].filter(({ at }) => at <= this.listened).sort((a, b) => a.at - b.at);
    for (const alarm of due) if (this.alarms.delete(alarm)) alarm.run();
    if (this.cancelSlice === undefined) this.beginSlice();
  }

  private tell(heldUpMs: number): void {
    for (const listener of this.listeners) listener(heldUpMs);
  }
}

/** Lets the process read what has arrived before it judges: between two looks at the same thing there has to be I/O. */
export async function hearOut(): Promise<void> {
  for (let turn = 0; turn < TURNS_TO_HEAR; turn++) await nextTurn();
}
