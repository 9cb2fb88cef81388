/** A pilot without processes that speaks AMQP by hand: what it sends, and how often, is the test's. */

import { randomUUID } from 'node:crypto';
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { DEVICES } from '../../../../src/systems/workload/devices.js';
import {
  decode,
  type Envelope,
  encode,
  MANAGER_TYPES,
  type ManagerType,
} from '../../../../src/systems/workload/wire/amqp/envelope.js';
import {
  declarePilotQueue,
  declareShared,
  EXCHANGE,
  PILOT_EVENTS,
  pilotQueue,
  type QueueType,
} from '../../../../src/systems/workload/wire/amqp/topology.js';
import { until } from '../../../support/until.js';

export type Answered = Envelope & { readonly type: ManagerType };

export class RawAmqpPilot {
  readonly name: string;
  readonly session: string;
  /** All that it was told, in order. */
  readonly told: Answered[] = [];
  private readonly channel: ConfirmChannel;

  private constructor(channel: ConfirmChannel, name: string, session: string) {
    this.channel = channel;
    this.name = name;
    this.session = session;
  }

  /** Its queue is there, and what comes is read. */
  static async open(
    connection: ChannelModel,
    name = 'p1',
    session: string = randomUUID(),
    type: QueueType = 'classic',
  ): Promise<RawAmqpPilot> {
    const channel = await connection.createConfirmChannel();
    const pilot = new RawAmqpPilot(channel, name, session);
    await declareShared(channel, type, DEVICES);
    await declarePilotQueue(channel, name);
    await channel.consume(
      pilotQueue(name),
      (message) => {
        if (message !== null) pilot.told.push(decode(message, MANAGER_TYPES));
      },
      { noAck: true },
    );
    return pilot;
  }

  /** As many times as wanted. @returns the id of the message */
  async send(type: string, body: object = {}, id: string = randomUUID(), times = 1): Promise<string> {
    const whole = { pilot: this.name, session_id: this.session, ...body };
    const { content, options } = encode({ type, messageId: id, body: whole }, Date.now());
    for (let i = 0; i < times; i++) this.channel.publish(EXCHANGE, PILOT_EVENTS, content, options);
    await this.channel.waitForConfirms();
    return id;
  }

  /** Sends and waits for the first answer. */
  async ask(type: string, body: object = {}, id: string = randomUUID()): Promise<Answered> {
    await this.send(type, body, id);
    return await this.answerTo(id);
  }

  async answerTo(id: string): Promise<Answered> {
    let answer: Answered | undefined;
    await until(`message ${id} is answered`, () => {
      answer = this.told.find(({ correlationId }) => correlationId === id);
      return answer !== undefined;
    });
    if (answer === undefined) throw new Error('there is no answer');
    return answer;
  }

  answersTo(id: string): Answered[] {
    return this.told.filter(({ correlationId }) => correlationId === id);
  }

  register(more: object = {}): Promise<Answered> {
    return this.ask('pilot.register', {
      ...{ protocol_min: 1, protocol_max: 1, host: 'h', pid: 7, version: '1' },
      body: { device_type: 'cpu', slots: 2, executables: ['wc'] },
      ...more,
    });
  }
}
