/**
 * Stands between who publishes and the queues of a broker: each message comes three times, in another order, and some of it late.
 *
 * Guarantee: nothing of it is lost but by a kill; what it does follows from its seed and from the order in which messages came.
 */

import type { Channel, ConsumeMessage } from 'amqplib';
import type { Test } from 'tap';
import { EXCHANGE } from '../../../../src/systems/workload/wire/amqp/topology.js';
import type { RabbitMq } from '../../../support/rabbitmq.js';
import { randomFrom } from '../../../support/random.js';

const TIMES = 3;
const EVERY_MS = 5;
/** Rounds that a copy may be held back. */
const LATEST = 60;

interface Held {
  readonly queue: string;
  readonly message: ConsumeMessage;
  readonly due: number;
}

export class Shuffler {
  /** Messages that were taken. */
  taken = 0;
  private readonly channel: Channel;
  private readonly random: () => number;
  private held: Held[] = [];
  private round = 0;

  private constructor(channel: Channel, seed: number) {
    this.channel = channel;
    this.random = randomFrom(seed);
  }

  /** Ends with the test. */
  static async start(t: Test, rabbit: RabbitMq, url: string, queues: readonly string[]): Promise<Shuffler> {
    const model = await rabbit.connect(url);
    const shuffler = new Shuffler(await model.createChannel(), 7);
    const timer = setInterval(() => shuffler.pass(), EVERY_MS);
    t.teardown(async () => {
      clearInterval(timer);
      await model.close().catch(() => undefined);
    });
    for (const queue of queues) await shuffler.between(queue);
    return shuffler;
  }

  /** How many copies are still to come. */
  get waiting(): number {
    return this.held.length;
  }

  private async between(queue: string): Promise<void> {
    const own = `mixed.${queue}`;
    await this.channel.assertQueue(own);
    await this.channel.bindQueue(own, EXCHANGE, queue);
    await this.channel.unbindQueue(queue, EXCHANGE, queue);
    await this.channel.consume(own, (message) => {
      if (message === null) return;
      this.taken += 1;
      for (let n = 0; n < TIMES; n++) {
        const late = n === 0 ? 2 : LATEST;
        this.held.push({ queue, message, due: this.round + Math.floor(this.random() * late) });
      }
      this.channel.ack(message);
    });
  }

  private pass(): void {
    this.round += 1;
    const due = this.held.filter((one) => one.due <= this.round);
    this.held = this.held.filter((one) => one.due > this.round);
    const mixed = due.map((one) => ({ one, at: this.random() })).sort((a, b) => a.at - b.at);
    for (const { one } of mixed) {
      const { content, properties } = one.message;
      this.channel.publish('', one.queue, content, properties);
    }
  }
}
