/**
 * One subscription on the server, from a position on, for as long as it lasts.
 *
 * Guarantees: batches hold every event after the position that belongs to the categories, once, in order, and the checkpoint
 * moves on while none does. When the subscription breaks, what had arrived is given first; then `next` rejects.
 *
 * The server tells how far it is only after each window of records. In between it is asked: whenever this process knows of
 * a newer event in the store and nothing arrives, a read finds out whether anything up to there should have come. If
 * not, the checkpoint moves up; if so and it doesn't come, the subscription has stalled and is given up.
 */

import type { ClientReadableStream } from '@grpc/grpc-js';
import type { Clock } from '../../clock.js';
import type { Position, RecordedEvent, SubscriptionBatch } from '../event-store.js';
import { CallError, callErrorOf } from './call-error.js';
import { consume } from './calls.js';
import type { Connection } from './connection.js';
import { decode, isSystemRecord } from './event-codec.js';
import type { Link } from './link.js';
import { laterOf, positionOf } from './positions.js';
import type { streams } from './protocol.js';
import { type Filter, subscribeRequest } from './read-requests.js';
import type { Reader } from './reader.js';
import type { Watermark } from './watermark.js';

export interface FeedContext {
  readonly connection: Connection;
  readonly reader: Reader;
  readonly watermark: Watermark;
  readonly clock: Clock;
}

export interface FeedOptions {
  readonly after: Position;
  readonly filter: Filter;
  readonly batchSize: number;
}

/** How long an event that is known of may be on its way before it is looked for. */
const SETTLE_MS = 20;
/** How long to leave an event that was found but has not come. */
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
  private readonly call: ClientReadableStream<streams.ReadResp>;
  private readonly buffer: RecordedEvent[] = [];
  /** Everything up to here was given, is in the buffer or does not match. */
  private reached: Position;
  /** The checkpoint of the last batch. */
  private given: Position;
  private toldCaughtUp = false;
  private fellBehind = false;
  private failure: CallError | undefined;
  private messages = 0;
  private lastMessageAt: number;
  private wake: (() => void) | undefined;
  private cancelSettle: (() => void) | undefined;
  private cancelIdle: () => void = () => {};
  private readonly stopListening: () => void;

  /** @throws CallError */
  static async open(context: FeedContext, link: Link, options: FeedOptions): Promise<Feed> {
    const head = await context.connection.on(link, () =>
      context.reader.headOn(link, context.connection.deadline()),
    );
    context.watermark.raise(head);
    return new Feed(context, link, options, head);
  }

  private constructor(context: FeedContext, link: Link, options: FeedOptions, headAtStart: Position) {
    this.context = context;
    this.link = link;
    this.options = options;
    this.headAtStart = headAtStart;
    this.reached = options.after;
    this.given = options.after;
    this.lastMessageAt = context.clock.now();
    this.call = link.streams.read(subscribeRequest(options.after, options.filter), link.metadata());
    this.run();
    this.stopListening = context.watermark.onRaise(() => this.settleSoon(SETTLE_MS));
    this.settleSoon(SETTLE_MS);
    this.askWhenIdle();
  }

  /**
   * The next batch, as soon as there is something to give; undefined once it is closed.
   * @throws CallError when the subscription broke
   */
  async next(): Promise<SubscriptionBatch | undefined> {
    for (;;) {
      if (this.controller.signal.aborted && this.failure === undefined) return undefined;
      const batch = this.take();
      if (batch !== undefined) return batch;
      if (this.failure !== undefined) throw this.failure;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
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
      (error) => this.fail(callErrorOf(error)),
    );
  }

  /** Always wants more. */
  private receive(message: streams.ReadResp): true {
    this.messages += 1;
    this.lastMessageAt = this.context.clock.now();
    this.link.heardAt = this.lastMessageAt;
    if (message.hasCaughtUp()) {
      this.fellBehind = false;
      this.advance(this.headAtStart);
    }
    if (message.hasFellBehind()) this.fellBehind = true;
    const checkpoint = positionOf(message.getCheckpoint());
    if (checkpoint !== undefined) this.advance(checkpoint);
    const record = message.getEvent()?.getEvent();
    const position = positionOf(record);
    if (record === undefined || position === undefined || position <= this.reached) return true;
    if (!isSystemRecord(record)) this.buffer.push(decode(record).event);
    this.context.watermark.raise(position);
    this.advance(position);
    if (this.buffer.length >= 2 * this.options.batchSize) this.call.pause();
    return true;
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
    if (!caughtUp) this.settleSoon(SETTLE_MS);
    // That it is at the end is told once even if nothing moved, so that a reader who starts there learns it.
    const news = events.length > 0 || checkpoint !== this.given || (caughtUp && !this.toldCaughtUp);
    if (!news) return undefined;
    this.given = checkpoint;
    this.toldCaughtUp ||= caughtUp;
    return { events, checkpoint, caughtUp };
  }

  private get caughtUp(): boolean {
    return (
      !this.fellBehind && this.reached >= this.headAtStart && this.reached >= this.context.watermark.position
    );
  }

  private settleSoon(delayMs: number): void {
    if (this.cancelSettle !== undefined || this.controller.signal.aborted) return;
    if (this.reached >= this.context.watermark.position) return;
    const messages = this.messages;
    this.cancelSettle = this.context.clock.after(delayMs, () => {
      this.cancelSettle = undefined;
      // While anything arrives, the subscription gets there by itself.
      if (this.messages !== messages || this.buffer.length > 0) this.settleSoon(delayMs);
      else this.settle().catch((error) => this.noticeFailed(error));
    });
  }

  private async settle(): Promise<void> {
    const { connection, reader, watermark, clock } = this.context;
    const target = watermark.position;
    const from = this.reached;
    if (from >= target) return;
    const first = await connection.on(this.link, () =>
      reader.firstAfter(this.link, from, this.options.filter, connection.deadline()),
    );
    if (first === undefined || first > target) this.advance(target);
    else if (this.reached < first && clock.now() - this.lastMessageAt >= connection.deadlineMs) {
      throw new CallError('lost', 'the subscription has stalled');
    }
    this.settleSoon(PATIENCE_MS);
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

  /** Of a read beside the subscription. That the server is too busy for it says nothing of the subscription. */
  private noticeFailed(error: unknown): void {
    const failure = callErrorOf(error);
    if (failure.kind === 'busy' || failure.kind === 'timeout') this.settleSoon(PATIENCE_MS);
    else this.fail(failure);
  }

  private async ask(): Promise<void> {
    const { connection, reader, watermark, clock } = this.context;
    if (this.controller.signal.aborted || clock.now() - this.lastMessageAt < IDLE_MS) return;
    watermark.raise(await connection.on(this.link, () => reader.headOn(this.link, connection.deadline())));
  }

  private fail(error: CallError): void {
    if (this.controller.signal.aborted) return;
    this.failure = error;
    this.stop();
    this.notify();
  }

  private stop(): void {
    this.controller.abort();
    this.stopListening();
    this.cancelSettle?.();
    this.cancelIdle();
  }

  private notify(): void {
    this.wake?.();
    this.wake = undefined;
  }
}
