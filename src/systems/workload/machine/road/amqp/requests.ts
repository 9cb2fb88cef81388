/**
 * What a pilot asks for over a broker, each with an id that its answer names.
 *
 * Guarantee: a request is sent until its answer has come, its time is over, or nobody waits for it any more: anew after each break of
 * the connection, and now and then, for queues may be emptied and answers lost. So it may arrive more than once, always under its id.
 */

import { Backoff } from '../../../../../base/backoff.js';
import type { Clock } from '../../../../../base/clock.js';
import { OwlError } from '../../../../../base/errors.js';
import type { Envelope, ManagerType, PilotType } from '../../../wire/amqp/envelope.js';

export type Answer = Envelope & { readonly type: ManagerType };

export interface Request {
  readonly type: PilotType;
  readonly messageId: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Waiting {
  /** After which an answer is of no use. */
  readonly withinMs?: number;
  readonly signal?: AbortSignal;
}

/** Between two times that the same is sent. */
const REPEAT = { firstMs: 5_000, longestMs: 30_000 };

interface Pending {
  readonly request: Request;
  readonly backoff: Backoff;
  cancelRepeat: () => void;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

export class Requests {
  private readonly clock: Clock;
  private readonly late: (type: PilotType, withinMs: number) => OwlError;
  private readonly pending = new Map<string, Pending>();
  private send: ((request: Request) => void) | undefined;
  private isClosed = false;

  /** @param late what to say of a request that nobody has answered in time */
  constructor(clock: Clock, late: (type: PilotType, withinMs: number) => OwlError) {
    this.clock = clock;
    this.late = late;
  }

  /** @throws OwlError kind `unavailable` without an answer in time, or before it is closed; the signal's reason */
  ask(request: Request, { withinMs, signal }: Waiting = {}): Promise<Answer> {
    const { messageId, type } = request;
    if (this.isClosed) return Promise.reject(closed());
    // The same is asked once more: who asked before waits no more.
    this.settle(messageId)?.reject(new OwlError('unavailable', `${type} was asked once more`));
    return new Promise((resolve, reject) => {
      const give = (error: unknown): void => this.settle(messageId, pending)?.reject(error);
      const onAbort = (): void => give(signal?.reason);
      const cancelLate =
        withinMs === undefined ? nothing : this.clock.after(withinMs, () => give(this.late(type, withinMs)));
      const done = (): void => {
        cancelLate();
        signal?.removeEventListener('abort', onAbort);
      };
      const pending: Pending = {
        ...{ request, backoff: new Backoff(REPEAT), cancelRepeat: nothing },
        resolve: (answer) => {
          done();
          resolve(answer);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      this.pending.set(messageId, pending);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted === true) onAbort();
      else this.write(pending);
    });
  }

  /** @returns whether anybody has waited for it */
  answered(answer: Answer): boolean {
    const pending = this.settle(answer.correlationId ?? '');
    pending?.resolve(answer);
    return pending !== undefined;
  }

  /** What nobody answers, and nobody misses: where there is a connection. */
  tellOnce(request: Request): void {
    this.send?.(request);
  }

  /** There is a connection: all that waits goes over it. */
  connected(send: (request: Request) => void): void {
    this.send = send;
    for (const pending of [...this.pending.values()]) this.write(pending);
  }

  away(): void {
    this.send = undefined;
    for (const { cancelRepeat } of this.pending.values()) cancelRepeat();
  }

  close(): void {
    this.isClosed = true;
    for (const id of [...this.pending.keys()]) this.settle(id)?.reject(closed());
  }

  private write(pending: Pending): void {
    const { send } = this;
    if (send === undefined) return;
    pending.cancelRepeat();
    pending.cancelRepeat = this.clock.after(pending.backoff.next(), () => this.write(pending));
    try {
      send(pending.request);
    } catch (error) {
      // What can never be sent; a connection that broke is told of elsewhere.
      if (error instanceof OwlError) this.settle(pending.request.messageId, pending)?.reject(error);
    }
  }

  private settle(id: string, only?: Pending): Pending | undefined {
    const pending = this.pending.get(id);
    if (pending === undefined || (only !== undefined && only !== pending)) return undefined;
    this.pending.delete(id);
    pending.cancelRepeat();
    return pending;
  }
}

function nothing(): void {}

function closed(): OwlError {
  return new OwlError('unavailable', 'the pilot has let go of the broker before there was an answer');
}
