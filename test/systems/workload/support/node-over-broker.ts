/**
 * The node of tests of pilots (pilot-node.ts) as one that pilots reach over a broker: it answers what comes for all nodes, hints at what
 * there is to claim, and tells pilots what they are to do.
 */

import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import type { Test } from 'tap';
import { OwlError } from '../../../../src/base/errors.js';
import type { BrokerPlace } from '../../../../src/systems/workload/wire/amqp/broker-address.js';
import {
  decode,
  type Envelope,
  encode,
  JOB_TYPE,
  type ManagerType,
  PILOT_TYPES,
  type PilotType,
} from '../../../../src/systems/workload/wire/amqp/envelope.js';
import {
  declarePilotQueue,
  declareShared,
  EXCHANGE,
  jobsQueue,
  PILOT_EVENTS,
  pilotQueue,
} from '../../../../src/systems/workload/wire/amqp/topology.js';
import type { Grant, PilotReport } from '../../../../src/systems/workload/wire/pilot-messages.js';
import type { RabbitMq } from '../../../support/rabbitmq.js';
import { until } from '../../../support/until.js';
import type { PilotNode } from './pilot-node.js';

type Body = Envelope['body'];

export class NodeOverBroker {
  readonly place: BrokerPlace;
  private readonly rabbit: RabbitMq;
  private readonly node: PilotNode;
  private model: ChannelModel | undefined;
  private open: Channel | undefined;
  private sent = 0;
  /** How often each answer is sent. */
  times = 1;
  /** Whether each heartbeat is answered only when the next one is there. */
  isLate = false;
  /** What a lease says beside its terms. */
  lease: { readonly draining?: boolean } = {};
  /** Types of what came, repetitions too. */
  heard: PilotType[] = [];

  private constructor(rabbit: RabbitMq, node: PilotNode, url: string) {
    this.rabbit = rabbit;
    this.node = node;
    this.place = { url, passwordFile: rabbit.passwordFile };
  }

  static async start(t: Test, rabbit: RabbitMq, node: PilotNode): Promise<NodeOverBroker> {
    const over = new NodeOverBroker(rabbit, node, rabbit.url());
    await over.connect();
    t.teardown(() => over.close());
    return over;
  }

  /** Anew, after the broker was away. */
  async connect(): Promise<void> {
    this.model = await this.rabbit.connect(this.place.url);
    const channel = await this.model.createChannel();
    channel.on('error', () => undefined);
    await declareShared(channel, 'classic', ['cpu', 'gpu']);
    this.open = channel;
    await channel.consume(PILOT_EVENTS, (message) => {
      if (message === null) return;
      this.take(message);
      channel.ack(message);
    });
  }

  async close(): Promise<void> {
    await this.model?.close().catch(() => undefined);
  }

  get channel(): Channel {
    if (this.open === undefined) throw new Error('there is no channel');
    return this.open;
  }

  /** Puts a job up, and hints at it. */
  offer(grant: Grant & { readonly job: string }, times = 1): void {
    this.node.orders.set(grant.job, grant);
    const { job, cur_retry = 0, device_type = 'cpu' } = grant;
    for (let n = 0; n < times; n++) this.hint(device_type, { job, cur_retry });
  }

  hint(device: string, body: Body): void {
    this.publish(jobsQueue(device), { type: JOB_TYPE, messageId: `hint-${++this.sent}`, body });
  }

  tell(pilot: string, type: ManagerType, body: Body, correlationId?: string): void {
    this.publish(pilotQueue(pilot), { type, messageId: `told-${++this.sent}`, correlationId, body });
  }

  /** How many lie in a queue, those that are out not counted. */
  async depth(queue: string): Promise<number> {
    return (await this.channel.checkQueue(queue)).messageCount;
  }

  async untilEmpty(queue: string): Promise<void> {
    await until(`${queue} is empty`, async () => (await this.depth(queue)) === 0);
  }

  publish(queue: string, envelope: Envelope): void {
    const { content, options } = encode(envelope, Date.now());
    this.channel.publish(EXCHANGE, queue, content, { ...options, mandatory: false });
  }

  private take(message: ConsumeMessage): void {
    const { type, messageId, body } = decode(message, PILOT_TYPES);
    this.heard.push(type);
    if (this.node.isAway) return;
    const { pilot } = body;
    const [answer, told] = this.answer(type, messageId, body);
    const late = this.late;
    if (answer === 'lease') this.late = () => this.reply(String(pilot), answer, told, messageId);
    if (this.isLate && answer === 'lease') late();
    else this.reply(String(pilot), answer, told, messageId);
  }

  private late: () => void = () => undefined;

  private reply(pilot: string, type: ManagerType, body: Body, id: string): void {
    // Who is cut off in the middle answers what comes again.
    declarePilotQueue(this.channel, pilot).then(
      () => {
        for (let n = 0; n < this.times; n++) this.tell(pilot, type, body, id);
      },
      () => undefined,
    );
  }

  private answer(type: PilotType, id: string, body: Body): [ManagerType, Body] {
    const { node } = this;
    try {
      switch (type) {
        case 'pilot.register':
          return ['pilot.welcome', { ...node.attach({ ...body, body: JSON.stringify(body['body']) }) }];
        case 'pilot.heartbeat':
          node.answerTo({ sample: { jobs: [], ...Object(body['sample']) } });
          return ['lease', { ...node.beat(body), ...this.lease }];
        case 'pilot.bye':
          node.left.push(String(body['session_id']));
          return ['report.taken', {}];
        case 'job.inputs':
          return ['job.inputs.page', { ...node.inputs(body) }];
        case 'log.piece':
          return this.answerTo({
            log: { ...body, content: Buffer.from(String(body['content'] ?? ''), 'base64') },
          });
        default:
          return this.answerTo({ command_id: id, [type.replace('job.', '')]: body });
      }
    } catch (error) {
      const kind = error instanceof OwlError ? error.kind : 'refused';
      return ['refused', { kind, msg: String(error) }];
    }
  }

  private answerTo(report: PilotReport): [ManagerType, Body] {
    const { is_success: isTaken, grant, reason, msg, retryable = false } = this.node.answerTo(report);
    if (grant !== undefined) return ['job.granted', { ...grant }];
    if (isTaken === true) return ['report.taken', reason === undefined ? {} : { reason, msg }];
    return [report.claim === undefined ? 'refused' : 'job.refused', { reason, msg, retryable }];
  }
}
