/**
 * What a node has to do with its broker: the queue of hints, what pilots say, what they are told, and how all that stands.
 *
 * Guarantees: pilots are heard once the read models hold what was stored, and by one node at a time; from the moment that the broker can't be
 * heard until it can again nobody is called silent; messages that are under way when the node ends are the broker's again.
 */

import { setMaxListeners } from 'node:events';
import { messageOf } from '../../../../base/errors.js';
import type { ListeningTime } from '../../../../base/listening-time.js';
import { DEVICES } from '../../devices.js';
import { Broker, type BrokerStanding } from '../../wire/amqp/broker.js';
import type { BrokerChannel, Delivery, OpenedChannel } from '../../wire/amqp/broker-channel.js';
import { LARGEST_BODY_BYTES, type PoisonMessageError } from '../../wire/amqp/envelope.js';
import {
  declarePilotQueue,
  declareShared,
  EVENTS_DEAD,
  JOBS_DEATHS,
  PILOT_EVENTS,
  pilotQueue,
} from '../../wire/amqp/topology.js';
import { AmqpQueue } from '../jobs/amqp-queue.js';
import type { JobQueries } from '../jobs/job-queries.js';
import type { Offers } from '../jobs/offers.js';
import type { ReportOptions } from '../pilots/pilot-handlers.js';
import type { WorkloadContext } from '../workload-context.js';
import type { SendToPilot } from './broker-line.js';
import { BrokerLines } from './broker-lines.js';
import { DeadHints } from './dead-hints.js';
import { BuriedCounts, bury } from './dead-letters.js';
import { PilotEvents, type PilotEventsOptions } from './pilot-events.js';

/** Messages that may be under way; then the broker waits. */
const PREFETCH = 200;
const DEATHS_PREFETCH = 20;

export interface PilotBrokerOptions {
  readonly context: WorkloadContext;
  readonly url: string;
  readonly queries: JobQueries;
  readonly offers: Offers;
  readonly listening: ListeningTime;
}

export class PilotBroker {
  readonly queue: AmqpQueue;
  readonly broker: Broker;
  readonly buried = new BuriedCounts();
  private readonly options: PilotBrokerOptions;
  private readonly answers: BrokerChannel;
  private readonly running = new Set<Promise<void>>();
  private readonly counting = new Set<Promise<void>>();
  private events: BrokerChannel | undefined;
  private deaths: BrokerChannel | undefined;
  private heard = false;
  private hear: (() => void) | undefined;
  private over = new AbortController();

  constructor(options: PilotBrokerOptions) {
    const { context, url, queries, offers, listening } = options;
    const { config, clock, logger, node } = context;
    this.options = options;
    this.broker = new Broker({
      ...{ url, clock, logger, name: `owl ${node.workerId}` },
      ...{ passwordFile: config.broker_password_file, caFile: config.broker_ca_file },
    });
    this.hear = listening.deafen();
    const { broker } = this;
    const { buried } = this;
    this.queue = new AmqpQueue({
      ...{ broker, queries, offers, clock, logger, buried, type: config.queue_type },
    });
    this.answers = broker.channel({ name: 'answers to pilots', begin: ({ raw }) => this.declare(raw) });
  }

  get standing(): BrokerStanding {
    return this.broker.now;
  }

  /** Why pilots are not heard, or nothing is published; for people. */
  get problem(): string | undefined {
    if (this.queue.away !== undefined) return this.queue.away;
    if (this.events?.opened !== undefined) return undefined;
    return `the broker is there, but pilots are not heard: ${this.events?.reason ?? 'it begins'}`;
  }

  /** Whether this is the node that hears what pilots say; undefined: none has said anything since it could be. */
  get hears(): boolean | undefined {
    if (this.events?.opened === undefined) return false;
    return this.heard ? true : undefined;
  }

  /** Messages of pilots that are under way here. */
  get underWay(): number {
    return this.running.size;
  }

  /** Connects, and hears pilots from then on. */
  begin(reports: ReportOptions, peers: PilotEventsOptions['peers']): void {
    const { queries, listening } = this.options;
    const { sessions, streams, greet } = reports;
    const send: SendToPilot = (...message) => void this.send(...message);
    let opened: OpenedChannel | undefined;
    const events = new PilotEvents({
      ...{ reports, queries, peers, send },
      lines: new BrokerLines({ sessions, streams, greet, send }),
      bury: async (delivery, why) => {
        if (opened !== undefined) await this.bury(opened, delivery, why);
      },
      deafen: () => listening.deafen(),
    });
    this.events = this.broker.channel({
      name: 'messages of pilots',
      begin: async (channel) => {
        await this.declare(channel.raw);
        opened = channel;
        const over = endOfMany();
        this.over = over;
        await channel.consume(PILOT_EVENTS, PREFETCH, (delivery) => {
          this.heard = true;
          const taking = events.take(delivery, over.signal).finally(() => this.running.delete(taking));
          this.running.add(taking);
        });
        this.hear?.();
        this.hear = undefined;
      },
      ended: () => {
        this.over.abort();
        this.heard = false;
        this.hear ??= listening.deafen();
      },
    });
    this.deaths = this.countDeaths();
    this.broker.start();
  }

  /** No more messages are taken. */
  endStreams(): void {
    this.over.abort();
    for (const channel of [this.events, this.deaths]) if (channel !== undefined) this.broker.drop(channel);
  }

  async stop(): Promise<void> {
    this.queue.stop();
    await this.broker.close();
    await Promise.all([...this.running, ...this.counting]);
  }

  private countDeaths(): BrokerChannel {
    const dead = new DeadHints(this.options.context, ({ reason }) => this.buried.addDeath(reason));
    let over = new AbortController();
    return this.broker.channel({
      name: 'dead hints',
      begin: async (channel) => {
        await this.declare(channel.raw);
        over = endOfMany();
        const { signal } = over;
        await channel.consume(JOBS_DEATHS, DEATHS_PREFETCH, (delivery) => {
          const taking = dead.take(delivery, signal).finally(() => this.counting.delete(taking));
          this.counting.add(taking);
        });
      },
      ended: () => over.abort(),
    });
  }

  private async declare(raw: OpenedChannel['raw']): Promise<void> {
    await declareShared(raw, this.options.context.config.queue_type, DEVICES);
  }

  private async send(
    ...[pilot, type, body, messageId, correlationId]: Parameters<SendToPilot>
  ): Promise<void> {
    const { logger } = this.options.context;
    try {
      await this.answers.publish(
        pilotQueue(pilot),
        { type, messageId, correlationId, body: fitting(body) },
        (raw) => declarePilotQueue(raw, pilot),
      );
    } catch (error) {
      // It asks again, or is told again.
      logger.debug({ pilot, type, reason: messageOf(error) }, 'a pilot was not told something');
    }
  }

  private async bury(opened: OpenedChannel, delivery: Delivery, why: PoisonMessageError): Promise<void> {
    const { message: reason, poison } = why;
    this.buried.add(EVENTS_DEAD, poison);
    this.options.context.logger.warn(
      { queue: PILOT_EVENTS, type: String(delivery.message.properties.type), reason },
      'a message can not be taken; it lies with the dead',
    );
    await bury(opened, delivery, { to: EVENTS_DEAD, from: PILOT_EVENTS, reason });
  }
}

/** Each message that is under way waits for it. */
function endOfMany(): AbortController {
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  return over;
}

/** Long paths make a page of inputs too large for a message: then it has fewer, and the others are asked for. */
function fitting(body: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { inputs } = body;
  if (!Array.isArray(inputs) || inputs.length < 2) return body;
  if (Buffer.byteLength(JSON.stringify(body)) <= LARGEST_BODY_BYTES) return body;
  return fitting({ ...body, inputs: inputs.slice(0, Math.ceil(inputs.length / 2)) });
}
