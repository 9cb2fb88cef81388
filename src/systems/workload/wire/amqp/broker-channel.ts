/**
 * A channel that outlives its connections: what it declares and consumes is done anew each time, and after the broker has ended a
 * consumer or the channel.
 *
 * Guarantees: what is published is confirmed, or the promise rejects and nothing is promised; what no queue takes is returned, then what is
 * needed is declared anew and it is published once more; a delivery is settled once, on the channel it came by, and one whose
 * channel is gone is the broker's again; a consumer that the broker has ended is never missing silently.
 */

import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Message } from 'amqplib';
import type { Logger } from 'pino';
import { Backoff, orAborted, wait } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';
import { messageOf, OwlError } from '../../../../base/errors.js';
import { type Envelope, encode } from './envelope.js';
import { EXCHANGE } from './topology.js';

/** The broker can't be reached, or has not confirmed: it may have it or not. */
export class BrokerUnavailableError extends OwlError {
  override readonly name = 'BrokerUnavailableError';

  constructor(message: string, options: ErrorOptions = {}) {
    super('unavailable', message, { ...options, reason: 'broker_unavailable' });
  }
}

export interface Delivery {
  readonly message: Message;
  /** The broker forgets it. */
  ack(): void;
  /** Others may have it, this one as well. */
  release(): void;
  /** It goes to the queue of the dead. */
  reject(): void;
}

export interface ChannelUse {
  /** In logs. */
  readonly name: string;
  /** Declares and consumes what it needs, each time anew. What it throws is tried again with pauses. */
  begin(opened: OpenedChannel): Promise<void>;
  /** What was delivered and is not settled is the broker's again. */
  ended?(): void;
}

/** One life of a channel. */
export class OpenedChannel {
  readonly raw: ConfirmChannel;
  /** Resolves when it is gone. */
  readonly closed: Promise<string>;
  private readonly returned = new Map<string, true>();
  private over: string | undefined;

  constructor(raw: ConfirmChannel) {
    this.raw = raw;
    let reason = 'the connection is gone';
    raw.on('error', (error) => {
      reason = messageOf(error);
    });
    raw.on('return', ({ properties }) => this.returned.set(String(properties.messageId), true));
    this.closed = new Promise((resolve) => {
      raw.once('close', () => {
        this.over = reason;
        resolve(reason);
      });
    });
  }

  get isOpen(): boolean {
    return this.over === undefined;
  }

  /** @param prefetch so many may be unsettled */
  async consume(
    queue: string,
    prefetch: number,
    take: (delivery: Delivery) => void,
  ): Promise<() => Promise<void>> {
    await this.raw.prefetch(prefetch);
    const { consumerTag } = await this.raw.consume(queue, (message: ConsumeMessage | null) => {
      // The queue was deleted, or has moved: all is declared anew.
      if (message === null) this.end();
      else take(this.delivery(message));
    });
    return async () => {
      if (this.isOpen) await this.raw.cancel(consumerTag);
    };
  }

  /** As `consume`, of what is told again when it is lost: the broker forgets it as it sends it. */
  async listen(queue: string, take: (message: Message) => void): Promise<void> {
    const heard = (message: ConsumeMessage | null) => (message === null ? this.end() : take(message));
    await this.raw.consume(queue, heard, { noAck: true });
  }

  /** One that waits there; undefined: none does. */
  async get(queue: string): Promise<Delivery | undefined> {
    const message = await this.raw.get(queue);
    return message === false ? undefined : this.delivery(message);
  }

  /** Resolves once the broker has it. @returns whether a queue has taken it */
  async publish(
    key: string,
    envelope: Envelope,
    now: number,
    { exchange = EXCHANGE, headers = {} }: { exchange?: string; headers?: Record<string, unknown> } = {},
  ): Promise<boolean> {
    const { content, options } = encode(envelope, now);
    const sent = { ...options, headers: { ...options.headers, ...headers } };
    return await this.send(exchange, key, content, sent);
  }

  /** As `publish`, of what need not be an envelope. */
  async send(
    exchange: string,
    key: string,
    content: Buffer,
    options: NonNullable<Parameters<Channel['publish']>[3]>,
  ): Promise<boolean> {
    if (this.over !== undefined) throw new BrokerUnavailableError(this.over);
    await new Promise<void>((resolve, reject) => {
      this.raw.publish(exchange, key, content, options, (error: unknown) => {
        if (error === null || error === undefined) resolve();
        else reject(new BrokerUnavailableError(`the broker has not confirmed: ${messageOf(error)}`));
      });
    });
    return !this.returned.delete(String(options.messageId));
  }

  end(): void {
    if (this.isOpen) void closeQuietly(this.raw);
  }

  private delivery(message: Message): Delivery {
    let open = true;
    const once = (settle: () => void) => () => {
      if (!open || !this.isOpen) return;
      open = false;
      settle();
    };
    return {
      message,
      ack: once(() => this.raw.ack(message)),
      release: once(() => this.raw.nack(message, false, true)),
      reject: once(() => this.raw.nack(message, false, false)),
    };
  }
}

export async function closeQuietly(channel: Pick<Channel, 'close'>): Promise<void> {
  try {
    await channel.close();
  } catch {
    // It is closing already, and so is its connection.
  }
}

export class BrokerChannel {
  private readonly use: ChannelUse;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly closing = new AbortController();
  private current: OpenedChannel | undefined;
  private why = 'the broker is not connected yet';
  private waiting: (() => void)[] = [];

  constructor(use: ChannelUse, clock: Clock, logger: Logger) {
    this.use = use;
    this.clock = clock;
    this.logger = logger;
  }

  /** Undefined while there is none. */
  get opened(): OpenedChannel | undefined {
    return this.current;
  }

  /** Why there is none. */
  get reason(): string {
    return this.why;
  }

  /** Resolves once it is open, or when the signal aborts. */
  async ready(signal: AbortSignal): Promise<void> {
    const wake = () => this.wake();
    signal.addEventListener('abort', wake, { once: true });
    while (this.current === undefined && !signal.aborted && !this.closing.signal.aborted)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    signal.removeEventListener('abort', wake);
  }

  /**
   * Resolves once a queue of the broker has it for good.
   * @param redeclare what is declared where no queue takes it; default: what the channel begins with
   * @throws BrokerUnavailableError
   */
  async publish(
    key: string,
    envelope: Envelope,
    redeclare?: (channel: ConfirmChannel) => Promise<void>,
  ): Promise<void> {
    const opened = this.current;
    if (opened === undefined) throw new BrokerUnavailableError(this.why);
    if (await opened.publish(key, envelope, this.clock.now())) return;
    this.logger.warn({ queue: key, channel: this.use.name }, 'a queue is gone; it is declared anew');
    if (redeclare === undefined) {
      opened.end();
      throw new BrokerUnavailableError(`queue ${key} is gone; it is declared anew`);
    }
    await redeclare(opened.raw);
    if (await opened.publish(key, envelope, this.clock.now())) return;
    throw new BrokerUnavailableError(`queue ${key} takes nothing`);
  }

  /** As long as the connection lives. */
  async live(model: ChannelModel, over: AbortSignal): Promise<void> {
    const backoff = new Backoff({ longestMs: 2_000 });
    const signal = AbortSignal.any([over, this.closing.signal]);
    while (!signal.aborted) {
      try {
        const opened = new OpenedChannel(await model.createConfirmChannel());
        await this.run(opened, over, () => backoff.reset());
      } catch (error) {
        this.why = messageOf(error);
        if (!signal.aborted)
          this.logger.warn({ err: error, channel: this.use.name }, 'a channel was not opened; trying again');
      }
      await wait(this.clock, backoff.next(), signal);
    }
  }

  close(): void {
    this.closing.abort();
    this.current?.end();
    this.wake();
  }

  private async run(opened: OpenedChannel, over: AbortSignal, began: () => void): Promise<void> {
    const end = () => opened.end();
    this.closing.signal.addEventListener('abort', end, { once: true });
    try {
      await orAborted(this.use.begin(opened), over);
      if (this.closing.signal.aborted) return end();
      began();
      this.current = opened;
      this.wake();
      this.why = await orAborted(opened.closed, over);
      if (!this.closing.signal.aborted)
        this.logger.warn(
          { channel: this.use.name, reason: this.why },
          'a channel has ended; it is opened anew',
        );
    } finally {
      this.closing.signal.removeEventListener('abort', end);
      this.current = undefined;
      opened.end();
      this.use.ended?.();
    }
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}
