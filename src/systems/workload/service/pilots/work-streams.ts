/**
 * The streams of work that are open here: what one session of a pilot is told.
 *
 * Guarantees: one stream for each pilot, the newest; what is told to who is not connected is dropped, for all of it is told again:
 * hints by the queue, cancellations with the next sample, pieces of logs by who asks; a pilot that does not read is disconnected
 * before what is kept for it grows.
 */

import { OwlError } from '../../../../base/errors.js';

/** One of these. */
export interface WorkMessage {
  readonly hint?: { readonly job: string; readonly cur_retry: number };
  readonly cancel?: {
    readonly job: string;
    readonly claim_id: string;
    readonly grace_seconds: number;
    readonly reason: string;
  };
  readonly drain?: boolean;
  readonly read_log?: {
    readonly request_id: string;
    readonly job: string;
    readonly attempt: number;
    readonly offset: number;
    readonly length: number;
  };
}

/** How one session of a pilot is told something, whatever carries it. */
export interface PilotLine {
  readonly pilot: string;
  readonly sessionId: string;
  tell(message: WorkMessage): void;
  /** It takes nothing for a while, or does again. */
  noteRest(rests: boolean): void;
  /** It has connected once more: nobody reads this one. */
  replace(): void;
}

/** Messages that wait for who reads slowly. */
const MOST_UNREAD = 10_000;

export class WorkStream implements PilotLine {
  readonly pilot: string;
  readonly sessionId: string;
  /** Called when it begins to rest, and when it takes hints again. */
  onRest: (rests: boolean) => void = () => undefined;
  private isResting = false;
  private readonly signal: AbortSignal;
  private messages: WorkMessage[] = [];
  private wake: () => void = () => undefined;
  private overrun = false;
  private replaced = false;

  constructor(pilot: string, sessionId: string, signal: AbortSignal) {
    this.pilot = pilot;
    this.sessionId = sessionId;
    this.signal = signal;
  }

  tell(message: WorkMessage): void {
    if (this.messages.length >= MOST_UNREAD) this.overrun = true;
    else this.messages.push(message);
    this.wake();
  }

  noteRest(rests: boolean): void {
    if (rests === this.isResting) return;
    this.isResting = rests;
    this.onRest(rests);
  }

  replace(): void {
    this.replaced = true;
    this.wake();
  }

  /** Until the signal aborts. @throws OwlError */
  async *read(): AsyncGenerator<WorkMessage> {
    const end = (): void => this.wake();
    this.signal.addEventListener('abort', end, { once: true });
    try {
      while (!this.signal.aborted && !this.replaced) {
        if (this.overrun)
          throw new OwlError('retryable', `pilot ${this.pilot} does not read its work; connect again`);
        const messages = this.messages;
        this.messages = [];
        yield* messages;
        if (this.messages.length > 0 || this.signal.aborted || this.replaced) continue;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    } finally {
      this.signal.removeEventListener('abort', end);
    }
  }
}

export class WorkStreams {
  private readonly streams = new Map<string, PilotLine>();

  open(stream: PilotLine): () => void {
    this.streams.get(stream.pilot)?.replace();
    this.streams.set(stream.pilot, stream);
    return () => {
      if (this.streams.get(stream.pilot) === stream) this.streams.delete(stream.pilot);
    };
  }

  of(pilot: string): PilotLine | undefined {
    return this.streams.get(pilot);
  }
}
