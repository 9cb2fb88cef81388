/**
 * What a node has to do with its broker: the queue of hints, what pilots say, what they are told, and how all that stands.
 *
 * Guarantees: pilots are heard once the read models hold what was stored, and by one node at a time; from the moment that the broker can't be
 * heard until it can again nobody is called silent; messages that are under way when the node ends are the broker's again.
 */

import { messageOf } from '../../../../base/errors.js';
import type { ListeningTime } from '../../../../base/listening-time.js';
import { DEVICES } from '../../devices.js';
import { Broker, type BrokerStanding } from '../../wire/amqp/broker.js';
import type { BrokerChannel, Delivery, OpenedChannel } from '../../wire/amqp/broker-channel.js';
import { LARGEST_BODY_BYTES } from '../../wire/amqp/envelope.js';
import {
  declarePilotQueue,
  declareShared,
  EVENTS_DEAD,
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
import { bury } from './dead-letters.js';
import { PilotEvents, type PilotEventsOptions } from './pilot-events.js';

/** Messages that may be under way; then the broker waits. */
const PREFETCH = 200;

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
  /** Messages of pilots that were laid with the dead since this node began. */
  buried = 0;
  private readonly options: PilotBrokerOptions;
  private readonly answers: BrokerChannel;
  private readonly running = new Set<Promise<void>>();
  private events: BrokerChannel | undefined;
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
    this.queue = new AmqpQueue({ ...{ broker, queries, offers, clock, logger }, type: config.queue_type });
    this.answers = broker.channel({ name: 'answers to pilots', begin: ({ raw }) => this.declare(raw) });
  }

  get standing(): BrokerStanding {
    return this.broker.now;
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
      bury: async (delivery, reason) => {
        if (opened !== undefined) await this.bury(opened, delivery, reason);
      },
      deafen: () => listening.deafen(),
    });
    this.events = this.broker.channel({
      name: 'messages of pilots',
      begin: async (channel) => {
        await this.declare(channel.raw);
        opened = channel;
        const over = new AbortController();
        this.over = over;
        await channel.consume(PILOT_EVENTS, PREFETCH, (delivery) => {
          const taking = events.take(delivery, over.signal).finally(() => this.running.delete(taking));
          this.running.add(taking);
        });
        this.hear?.();
        this.hear = undefined;
      },
      ended: () => {
        this.over.abort();
        this.hear ??= listening.deafen();
      },
    });
    this.broker.start();
  }

  /** No more messages are taken. */
  endStreams(): void {
    this.over.abort();
    if (this.events !== undefined) this.broker.drop(this.events);
  }

  async stop(): Promise<void> {
    this.queue.stop();
    await this.broker.close();
    await Promise.all(this.running);
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

  private async bury(opened: OpenedChannel, delivery: Delivery, reason: string): Promise<void> {
    this.buried += 1;
    this.options.context.logger.warn(
      { queue: PILOT_EVENTS, type: String(delivery.message.properties.type), reason },
      'a message can not be taken; it lies with the dead',
    );
    await bury(opened, delivery, { to: EVENTS_DEAD, from: PILOT_EVENTS, reason });
  }
}

/** Long paths make a page of inputs too large for a message: then it has fewer, and the others are asked for. */
function fitting(body: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { inputs } = body;
  if (!Array.isArray(inputs) || inputs.length < 2) return body;
  if (Buffer.byteLength(JSON.stringify(body)) <= LARGEST_BODY_BYTES) return body;
  return fitting({ ...body, inputs: inputs.slice(0, Math.ceil(inputs.length / 2)) });
}
