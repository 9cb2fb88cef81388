/**
 * The broker of a demo: owl's queues in a virtual host of it, for as long as the demo takes.
 *
 * Guarantees: it does not mix with what others do there: a virtual host in which owl's queues are read, or hold anything, is refused
 * before anything is declared; what the demo has declared is gone afterwards.
 */

import { type ChannelModel, connect } from 'amqplib';
import { messageOf, OwlError } from '../../../base/errors.js';
import { DEVICES } from '../devices.js';
import { type BrokerPlace, connectOptions } from '../wire/amqp/broker-address.js';
import { EXCHANGE, jobsQueue, pilotQueue, SHARED_QUEUES } from '../wire/amqp/topology.js';

/** Runs the work with a broker that nobody else of owl uses. @throws OwlError */
export async function withDemoBroker(
  place: BrokerPlace,
  pilots: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const queues = [...[...SHARED_QUEUES, ...DEVICES.map(jobsQueue)], ...pilots.map(pilotQueue)];
  const strange: string[] = [];
  await connected(place, async (model) => {
    for (const queue of queues) {
      const found = await look(model, queue);
      if (found === undefined) continue;
      strange.push(queue);
      if (found.consumerCount > 0 || found.messageCount > 0)
        throw new OwlError(
          'refused',
          `${queue} of ${place.url} is in use: give the demo a virtual host of its own (rabbitmqctl add_vhost)`,
        );
    }
  });
  try {
    await work();
  } finally {
    await connected(place, async (model) => {
      const channel = await model.createChannel();
      for (const queue of queues) if (!strange.includes(queue)) await channel.deleteQueue(queue);
      if (strange.length === 0) await channel.deleteExchange(EXCHANGE);
    });
  }
}

/** Undefined of one that is not there, which ends its channel. */
async function look(model: ChannelModel, queue: string) {
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  try {
    const found = await channel.checkQueue(queue);
    await channel.close();
    return found;
  } catch (error) {
    if (/NOT[_-]FOUND/.test(messageOf(error))) return undefined;
    throw error;
  }
}

async function connected(place: BrokerPlace, work: (model: ChannelModel) => Promise<void>): Promise<void> {
  const { connect: where, socket } = connectOptions(place);
  let model: ChannelModel | undefined;
  try {
    model = await connect(where, socket);
    model.on('error', () => undefined);
    await work(model);
  } catch (error) {
    if (error instanceof OwlError) throw error;
    throw new OwlError('unavailable', `the broker ${place.url} can't be used: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await model?.close().catch(() => undefined);
  }
}
