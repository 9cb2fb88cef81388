/**
 * One subscription on the server, from a position on, for as long as it lasts.
 *
 * Guarantees: batches hold every event after the position that belongs to the categories, once, in order, and the checkpoint
 * moves on while none does. A batch that is not full is given some milliseconds after the one before it at the earliest.
 * Records of the server that delete a stream of theirs or cut it off are in their places as `CUT_OFF`, be it still so or not.
 * When the subscription breaks, what had arrived is given first; then `next` rejects.
 *
 * The server tells how far it is only after each window of records. In between it is asked: whenever this process knows of
 * a newer event in the store and nothing arrives, a read finds out whether anything up to there should have come. If
 * not, the checkpoint moves up; if so and it doesn't come, the subscription has stalled and is given up. On a long log
 * such a read takes its time, so there is one at the most, and while the subscription catches up, or others write all the time
 * what does not match, they are few.
 */

import type { ClientReadableStream } from '@grpc/grpc-js';
import type { Clock } from '../../../../base/clock.js';
import type { OwlError } from '../../../../base/errors.js';
import type { Position, RecordedEvent, SubscriptionBatch } from '../../event-store.js';
import { CallError, callErrorOf } from '../connection/call-error.js';
import { consume } from '../connection/calls.js';
import type { Connection } from '../connection/connection.js';
import type { Link } from '../connection/link.js';
import type { ReadMessage, RecordMessage } from '../connection/record-message.js';
import { findAnchor, withPosition } from './anchor.js';
import { decodeCutOff, isSystemRecord } from './event-codec.js';
import { LookPauses } from './look-pauses.js';
import { laterOf } from './positions.js';
import { type Filter, subscribeRequest } from './read-requests.js';
import type { Reader } from './reader.js';
import type { SentEvents } from './sent-events.js';
import type { Watermark } from './watermark.js';

export interface FeedContext {
  readonly connection: Connection;
  readonly reader: Reader;
  readonly watermark: Watermark;
  readonly sent: SentEvents;
  readonly clock: Clock;
}

export interface FeedOptions {
  readonly after: Position;
  readonly filter: Filter;
  readonly batchSize: number;
}

/**
 * After a batch events are gathered for so long: the server sends each by itself, and what a reader does once for a batch,
 * a transaction for instance, would cost more than the events.
 */
const GATHER_MS = 5;
/** How long to leave an event that was found but has not come, and a look that failed. */
const PATIENCE_MS = 250;
/** After so long without any message the store is asked for its last event, which also shows that it is there. */
const IDLE_MS = 1_000;

export class Feed {
  private readonly context: FeedContext;
  private readonly options: FeedOptions;
  private readonly link: Link;
  /** Where the store ended when the subscription was made: there it has caught up. */
  private readonly headAtStart: Position;
  private readonly controller = new AbortController();
  private readonly call: ClientReadableStream<ReadMessage>;
  private readonly buffer: RecordedEvent[] = [];
  /** Everything up to here was given, is in the buffer or does not match. */
  private reached: Position;
  /** The checkpoint of the last batch. */
  private given: Position;
  private toldCaughtUp = false;
  private fellBehind = false;
  private failure: CallError | OwlError | undefined;
  private messages = 0;
  private lastMessageAt: number;
  private wake: (() => void) | undefined;
  /** When the last batch was given. */
  private givenAt = Number.NEGATIVE_INFINITY;
  private cancelGather: (() => void) | undefined;
  private cancelSettle: (() => void) | undefined;
  private settling = false;
  private readonly pauses: LookPauses;
  private cancelIdle: () => void = () => {};
  private readonly stopListening: () => void;

  /** @throws CallError */
  static async open(context: FeedContext, link: Link, options: FeedOptions): Promise<Feed> {
    const { connection, reader, watermark } = context;
    const known = watermark.position;
    const { head, last } = await connection.on(link, () => reader.endOn(link, connection.deadline()));
    if (head < known) watermark.lower(head);
    watermark.raise(head);
    const anchor = await findAnchor(connection, reader, link, options.after, last);
    return new Feed(context, link, options, anchor, head);
  }

  private constructor(
    context: FeedContext,
    link: Link,
    options: FeedOptions,
    anchor: Position,
    headAtStart: Position,
  ) {
    this.context = context;
    this.link = link;
    this.options = options;
    this.headAtStart = headAtStart;
    this.reached = options.after;
    this.given = options.after;
    this.pauses = new LookPauses(context.clock);
    this.lastMessageAt = context.clock.monotonic();
    this.call = link.read(subscribeRequest(anchor, options.filter));
    this.run();
    this.stopListening = context.watermark.onRaise(() => this.settleSoon());
    this.settleSoon();
    this.askWhenIdle();
  }

  /**
   * The next batch, as soon as there is something to give; undefined once it is closed.
   * @throws CallError when the subscription broke; OwlError kind `invalid` when the store can't go on from its position
   */
  async next(): Promise<SubscriptionBatch | undefined> {
    for (;;) {
      if (this.controller.signal.aborted && this.failure === undefined) return undefined;
      const { gathering } = this;
      const batch = gathering ? undefined : this.take();
      if (batch !== undefined) {
        this.givenAt = this.context.clock.monotonic();
        return batch;
      }
      if (this.failure !== undefined) throw this.failure;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        if (gathering) this.notifyWhenGathered();
      });
    }
  }

  close(): void {
    this.stop();
    this.notify();
  }

  private run(): void {
    const signal = AbortSignal.any([this.controller.signal, this.link.closed]);
    consume(this.call, signal, (message) => this.receive(message)).then(
      () => this.fail(new CallError('lost', 'the server ended the subscription')),
      (error) => this.fail(withPosition(this.options.after, callErrorOf(error))),
    );
  }

  /** Always wants more. */
  private receive(message: ReadMessage): true {
    this.messages += 1;
    this.pauses.heard();
    this.lastMessageAt = this.context.clock.monotonic();
    this.link.heardAt = this.lastMessageAt;
    if (message.kind === 'record') this.receiveRecord(message.record);
    else if (message.kind === 'fellBehind') this.fellBehind = true;
    else if (message.kind === 'checkpoint' && message.position !== undefined) this.advance(message.position);
    else if (message.kind === 'caughtUp') {
      this.fellBehind = false;
      this.advance(this.headAtStart);
      // What was to be looked for at leisure is looked for soon.
      this.cancelSettle?.();
      this.cancelSettle = undefined;
      this.settleSoon();
    }
    return true;
  }

  private receiveRecord(record: RecordMessage): void {
    const { position } = record;
    if (position === undefined || position <= this.reached) return;
    const event = isSystemRecord(record) ? decodeCutOff(record) : this.context.sent.eventOf(record);
    if (event !== undefined) this.buffer.push(event);
    this.context.watermark.raise(position);
    this.advance(position);
    if (this.buffer.length >= 2 * this.options.batchSize) this.call.pause();
  }

  private advance(position: Position): void {
    this.reached = laterOf(this.reached, position);
    this.notify();
  }

  private take(): SubscriptionBatch | undefined {
    const { batchSize } = this.options;
    const events = this.buffer.splice(0, batchSize);
    if (this.buffer.length < batchSize && this.call.isPaused()) this.call.resume();
    const more = this.buffer.length > 0;
    const checkpoint = more ? (events.at(-1)?.position ?? this.given) : this.reached;
    const caughtUp = !more && this.caughtUp;
    if (!caughtUp) this.settleSoon();
    // That it is at the end is told once even if nothing moved, so that a reader who starts there learns it.
    const news = events.length > 0 || checkpoint !== this.given || (caughtUp && !this.toldCaughtUp);
    if (!news) return undefined;
    this.given = checkpoint;
    this.toldCaughtUp ||= caughtUp;
    return { events, checkpoint, caughtUp };
  }

  private get caughtUp(): boolean {
    return this.live && this.reached >= this.context.watermark.position;
  }

  /** What was stored before it began has come. */
  private get live(): boolean {
    return !this.fellBehind && this.reached >= this.headAtStart;
  }

  private settleSoon(delayMs?: number): void {
    if (this.cancelSettle !== undefined || this.settling || this.controller.signal.aborted) return;
    if (this.reached >= this.context.watermark.position) return;
    const { messages } = this;
    const delay = delayMs ?? this.pauses.next(this.live);
    this.cancelSettle = this.context.clock.after(delay, () => {
      this.cancelSettle = undefined;
      // While anything arrives, the subscription gets there by itself.
      if (this.messages !== messages || this.buffer.length > 0) this.settleSoon(delay);
      else void this.settle();
    });
  }

  private async settle(): Promise<void> {
    this.settling = true;
    let settled = false;
    try {
      settled = await this.look();
    } catch (error) {
      this.noticeFailed(error);
    }
    this.settling = false;
    this.pauses.looked(settled);
    this.settleSoon(this.live && !settled ? PATIENCE_MS : undefined);
  }

  /** True when nothing was to come up to what was known of; false when it is on its way. */
  private async look(): Promise<boolean> {
    const { connection, reader, watermark, clock } = this.context;
    const target = watermark.position;
    const first = await connection.on(this.link, () =>
      reader.firstAfter(this.link, this.reached, this.options.filter, connection.deadline()),
    );
    if (first === undefined || first > target) {
      this.advance(target);
      return true;
    }
    if (this.reached < first && clock.monotonic() - this.lastMessageAt >= connection.deadlineMs) {
      this.fail(new CallError('lost', 'the subscription has stalled'));
    }
    return false;
  }

  private askWhenIdle(): void {
    this.cancelIdle = this.context.clock.after(IDLE_MS, () => {
      this.ask()
        .catch((error) => this.noticeFailed(error))
        .finally(() => {
          if (!this.controller.signal.aborted) this.askWhenIdle();
        });
    });
  }

  /**
   * Of a read beside the subscription. That it was slow or broke says nothing of the subscription; when the connection is
   * given up for it, that ends the subscription as well.
   */
  private noticeFailed(error: unknown): void {
    const failure = callErrorOf(error);
    if (!failure.passing) this.fail(failure);
  }

  private async ask(): Promise<void> {
    const { connection, reader, watermark, clock } = this.context;
    if (this.controller.signal.aborted || clock.monotonic() - this.lastMessageAt < IDLE_MS) return;
    watermark.raise(await connection.on(this.link, () => reader.headOn(this.link, connection.deadline())));
  }

  private fail(error: CallError | OwlError): void {
    if (this.controller.signal.aborted) return;
    this.failure = error;
    this.stop();
    this.notify();
  }

  private stop(): void {
    this.controller.abort();
    this.stopListening();
    this.cancelGather?.();
    this.cancelSettle?.();
    this.cancelIdle();
  }

  /** The next batch has to wait. What broke, was closed or is full does not. */
  private get gathering(): boolean {
    const since = this.context.clock.monotonic() - this.givenAt;
    const waits = since < GATHER_MS && this.buffer.length < this.options.batchSize;
    return waits && !this.controller.signal.aborted;
  }

  private notifyWhenGathered(): void {
    this.cancelGather ??= this.context.clock.after(GATHER_MS, () => {
      this.cancelGather = undefined;
      this.notify();
    });
  }

  /** Whoever waits is woken, now or once that is due. */
  private notify(): void {
    if (this.gathering) {
      this.notifyWhenGathered();
      return;
    }
    this.wake?.();
    this.wake = undefined;
  }
}
