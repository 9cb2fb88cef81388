/**
 * The connection to a broker.
 *
 * Guarantees: it is made again with growing pauses for as long as it takes, and its channels begin anew with it; whether it is there, since
 * when and why not can be asked at any time; what the broker refuses (password, rights, virtual host) is told as it says it, with
 * the key to look at; nobody waits for a broker that does not answer.
 */

import { Socket } from 'node:net';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import type { Logger } from 'pino';
import { Backoff, orAborted, settlesWithin, untilAborted, wait } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';
import { messageOf } from '../../../../base/errors.js';
import { type BrokerPlace, connectOptions } from './broker-address.js';
import { BrokerChannel, BrokerUnavailableError, type ChannelUse, closeQuietly } from './broker-channel.js';

const CONNECT_WITHIN_MS = 10_000;
const CLOSE_WITHIN_MS = 2_000;
const LONGEST_PAUSE_MS = 2_000;

export interface BrokerStanding {
  readonly isConnected: boolean;
  /** Unix milliseconds. */
  readonly since: number;
  /** Why it is away; of one that is there: that it takes nothing at the moment, and why. */
  readonly reason?: string;
  /** How often it was tried to connect since it is away; of one that is there: 0. */
  readonly attempts: number;
  /** `RabbitMQ 3.10.8`, of one that was there since this began. */
  readonly version?: string;
}

export interface BrokerOptions extends BrokerPlace {
  /** Who connects, as the broker's own pages show it. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Broker {
  private readonly options: BrokerOptions;
  private readonly channels = new Set<BrokerChannel>();
  private readonly listeners = new Set<(standing: BrokerStanding) => void>();
  private readonly closing = new AbortController();
  private readonly left = new AbortController();
  private standing: BrokerStanding;
  private model: ChannelModel | undefined;
  private over = new AbortController();
  private running: Promise<void> | undefined;
  private lives = new Set<Promise<void>>();
  private version: string | undefined;

  constructor(options: BrokerOptions) {
    this.options = options;
    this.standing = {
      ...{ isConnected: false, since: options.clock.now(), reason: 'not connected yet', attempts: 0 },
    };
  }

  get now(): BrokerStanding {
    return this.standing;
  }

  /** Begins to connect, and goes on until it is closed. */
  start(): void {
    this.running ??= this.run();
  }

  /** Told whenever it comes, goes, or takes nothing for a time. */
  onChange(listener: (standing: BrokerStanding) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** One that is there whenever the connection is. */
  channel(use: ChannelUse): BrokerChannel {
    const channel = new BrokerChannel(use, this.options.clock, this.options.logger);
    this.channels.add(channel);
    if (this.model !== undefined) this.enliven(channel, this.model);
    return channel;
  }

  /** Work on a channel that is there for it alone. @throws BrokerUnavailableError, or why the work has failed */
  async once<T>(work: (channel: Channel) => Promise<T>, withinMs: number): Promise<T> {
    const { model, over } = this;
    if (model === undefined) throw new BrokerUnavailableError(this.standing.reason ?? 'it is away');
    const late = new AbortController();
    const cancelLate = this.options.clock.after(withinMs, () =>
      late.abort(new BrokerUnavailableError(`it has not answered within ${withinMs / 1000} s`)),
    );
    const signal = AbortSignal.any([over.signal, late.signal]);
    const opening = model.createChannel();
    try {
      const channel = await orAborted(opening, signal);
      // What ends it fails the work too.
      channel.on('error', () => undefined);
      return await orAborted(work(channel), signal);
    } finally {
      cancelLate();
      // Also one that opens when nobody waits for it any more.
      opening.then(closeQuietly, () => undefined);
    }
  }

  /** Ends one channel. */
  drop(channel: BrokerChannel): void {
    this.channels.delete(channel);
    channel.close();
  }

  async close(): Promise<void> {
    this.closing.abort();
    for (const channel of this.channels) channel.close();
    await this.hangUp();
    await this.running;
    await Promise.all(this.lives);
  }

  private async run(): Promise<void> {
    const { clock, logger } = this.options;
    const backoff = new Backoff({ firstMs: 100, longestMs: LONGEST_PAUSE_MS });
    const { signal } = this.closing;
    while (!signal.aborted) {
      let reason: string;
      try {
        const model = await this.connect();
        backoff.reset();
        reason = await this.serve(model);
      } catch (error) {
        reason = explained(error);
      }
      if (signal.aborted) return;
      const { isConnected: wasConnected, reason: before, since, attempts } = this.standing;
      // While it stays away the time is that of when it went.
      if (!wasConnected && before === reason) this.standing = { ...this.standing, attempts: attempts + 1 };
      else {
        logger.warn({ broker: this.options.url, reason }, 'the broker is away; trying again');
        const [when, tried] = wasConnected ? [clock.now(), 0] : [since, attempts + 1];
        this.change({ isConnected: false, reason, since: when, attempts: tried });
      }
      await wait(clock, backoff.next(), signal);
    }
  }

  private async connect(): Promise<ChannelModel> {
    const { name } = this.options;
    const { connect: where, socket } = connectOptions(this.options);
    const connecting = connect(where, {
      ...{ ...socket, noDelay: true, keepAlive: true, timeout: CONNECT_WITHIN_MS },
      clientProperties: { connection_name: name, product: 'owl' },
    });
    try {
      return await orAborted(connecting, this.closing.signal);
    } catch (error) {
      // Who is not waited for any more is not left open.
      if (this.closing.signal.aborted) connecting.then(leave, () => undefined);
      throw error;
    }
  }

  /** @returns why it has ended */
  private async serve(model: ChannelModel): Promise<string> {
    const { clock, logger, url } = this.options;
    let reason = 'it has closed the connection';
    const closed = new Promise<void>((resolve) => {
      model.once('close', () => resolve());
    });
    model.on('error', (error) => {
      reason = messageOf(error);
    });
    model.on('blocked', (why) => {
      logger.warn({ broker: url, reason: why }, 'the broker takes nothing at the moment');
      this.change({
        ...{ isConnected: true, since: clock.now(), attempts: 0 },
        reason: `it takes nothing at the moment: ${why}`,
      });
    });
    const isThere = () => this.change({ isConnected: true, since: clock.now(), attempts: 0 });
    model.on('unblocked', isThere);
    this.version = versionOf(model);
    this.model = model;
    this.over = new AbortController();
    if (!this.closing.signal.aborted) {
      logger.info({ broker: url }, 'connected to the broker');
      isThere();
      for (const channel of this.channels) this.enliven(channel, model);
    }
    await Promise.race([closed, untilAborted(this.left.signal)]);
    this.model = undefined;
    this.over.abort(new BrokerUnavailableError('the connection is gone'));
    return reason;
  }

  private enliven(channel: BrokerChannel, model: ChannelModel): void {
    const life = channel.live(model, this.over.signal).finally(() => this.lives.delete(life));
    this.lives.add(life);
  }

  private change(standing: BrokerStanding): void {
    this.standing = this.version === undefined ? standing : { ...standing, version: this.version };
    for (const listener of this.listeners) listener(this.standing);
  }

  /** One that does not answer is left behind. */
  private async hangUp(): Promise<void> {
    const { model } = this;
    if (model !== undefined) {
      await settlesWithin(this.options.clock, CLOSE_WITHIN_MS, leave(model));
      const socket: unknown = Reflect.get(model.connection, 'stream');
      if (socket instanceof Socket) socket.destroy();
    }
    this.left.abort();
  }
}

/** Rejects where it is gone: the library throws that at once. */
async function leave(model: ChannelModel): Promise<void> {
  await model.close();
}

function explained(error: unknown): string {
  const text = messageOf(error);
  if (/ACCESS[_-]REFUSED/.test(text))
    return `${text}; look at the user in workload.broker and at workload.broker_password_file`;
  if (/NOT_ALLOWED/.test(text)) return `${text}; look at the virtual host in workload.broker and its rights`;
  return text;
}

function versionOf({ connection }: ChannelModel): string {
  const { product, version } = connection.serverProperties;
  return `${product} ${version}`.trim();
}
