/**
 * What there is at the broker: one exchange, and queues that have the names they are reached by.
 *
 * Guarantees: whoever comes first declares it, and declares the same as all others, so nothing has to be prepared; a queue that is there
 * with other arguments is told by its name, with what to do; what dies goes to a queue of its own, which forgets its oldest when
 * it is full, so that it can never stop anybody.
 */

import type { Channel, Options } from 'amqplib';
import { messageOf, OwlError } from '../../../../base/errors.js';

export const QUEUE_TYPES = ['classic', 'quorum'] as const;
export type QueueType = (typeof QUEUE_TYPES)[number];

export const EXCHANGE = 'owl.workload';
/** All pilots to whoever manages jobs. One node at a time hears them, so that a pilot's lease does not wander with each message. */
export const PILOT_EVENTS = 'owl.pilot.events';
export const JOBS_DEAD = 'owl.jobs.dead';
export const EVENTS_DEAD = 'owl.events.dead';
/** A copy of each dead hint, which a node takes; what lies in `JOBS_DEAD` is for people. */
export const JOBS_DEATHS = 'owl.jobs.deaths';
/** All but those of pilots and of hints. */
export const SHARED_QUEUES = [PILOT_EVENTS, JOBS_DEAD, JOBS_DEATHS, EVENTS_DEAD] as const;

/** Deliveries of a hint that end with its consumer before it is dead. */
const DELIVERY_LIMIT = 5;
const DEAD_BYTES = 64 * 1024 * 1024;
/** What a pilot has not read so long is asked for again. */
const COMMANDS_LIVE_MS = 10 * 60 * 1000;
/** The queue of a pilot that nobody reads goes by itself. */
const COMMANDS_UNREAD_MS = 24 * 3600 * 1000;
const COMMANDS_BYTES = 16 * 1024 * 1024;

/** Hints of jobs of a device. */
export function jobsQueue(device: string): string {
  return `owl.jobs.${device}`;
}

/** What one pilot is told. @throws OwlError kind `invalid` for the one name whose queue is everybody's */
export function pilotQueue(pilot: string): string {
  const queue = `owl.pilot.${pilot}`;
  if (queue !== PILOT_EVENTS) return queue;
  throw new OwlError('invalid', `a pilot that works over a broker can't be called ${pilot}: rename it`);
}

/** What everybody shares. @throws OwlError reason `queue_differs` */
export async function declareShared(
  channel: Channel,
  type: QueueType,
  devices: readonly string[],
): Promise<void> {
  await declareExchange(channel);
  const ofType = { 'x-queue-type': type };
  for (const dead of [JOBS_DEAD, EVENTS_DEAD])
    await declare(channel, dead, { ...ofType, 'x-max-length-bytes': DEAD_BYTES });
  await declare(
    channel,
    JOBS_DEATHS,
    { ...ofType, 'x-max-length-bytes': DEAD_BYTES, 'x-single-active-consumer': true },
    JOBS_DEAD,
  );
  for (const device of devices)
    await declare(channel, jobsQueue(device), {
      ...{ ...ofType, ...dyingTo(JOBS_DEAD, EXCHANGE) },
      ...(type === 'quorum' ? { 'x-delivery-limit': DELIVERY_LIMIT } : {}),
    });
  await declare(channel, PILOT_EVENTS, {
    ...{ ...ofType, ...dyingTo(EVENTS_DEAD), 'x-single-active-consumer': true },
  });
}

/** Whatever the others are, it is classic: it lives on one node of the broker and what it holds is told again. */
export async function declarePilotQueue(channel: Channel, pilot: string): Promise<void> {
  await declareExchange(channel);
  await declare(channel, pilotQueue(pilot), {
    ...{ 'x-queue-type': 'classic', 'x-message-ttl': COMMANDS_LIVE_MS, 'x-expires': COMMANDS_UNREAD_MS },
    'x-max-length-bytes': COMMANDS_BYTES,
  });
}

async function declareExchange(channel: Channel): Promise<void> {
  await told(`exchange ${EXCHANGE}`, channel.assertExchange(EXCHANGE, 'direct', { durable: true }));
}

/** @param exchange default: the one that nobody has to declare, by which one queue alone has it */
function dyingTo(queue: string, exchange = ''): Record<string, string> {
  return { 'x-dead-letter-exchange': exchange, 'x-dead-letter-routing-key': queue };
}

/** @param key what it gets of the exchange */
async function declare(
  channel: Channel,
  queue: string,
  args: Record<string, unknown>,
  key = queue,
): Promise<void> {
  const options: Options.AssertQueue = { durable: true, arguments: args };
  await told(`queue ${queue}`, channel.assertQueue(queue, options));
  await channel.bindQueue(queue, EXCHANGE, key);
}

async function told(what: string, declared: Promise<unknown>): Promise<void> {
  try {
    await declared;
  } catch (error) {
    if (!/PRECONDITION[_-]FAILED/.test(messageOf(error))) throw error;
    throw new OwlError(
      'refused',
      `${what} is at the broker with other properties (${brief(error)}): set workload.queue_type to what it is, or let it run empty and delete it, then it is declared anew`,
      { cause: error, reason: 'queue_differs' },
    );
  }
}

function brief(error: unknown): string {
  const text = messageOf(error);
  return text.slice(text.search(/PRECONDITION[_-]FAILED/)).replace(/"$/, '');
}
