/**
 * What nobody can do anything with: it is laid with the dead, with the reason, and the queue goes on.
 *
 * Guarantees: it is gone from its queue only when it lies there, so nothing vanishes; the dead can be looked at without taking them away;
 * they are counted by queue and by a word for the reason, of which there are only so many.
 */

import type { Message } from 'amqplib';
import { Tally } from '../../../../node/metrics/tally.js';
import type { Delivery, OpenedChannel } from '../../wire/amqp/broker-channel.js';
import { POISON_KINDS, type PoisonKind } from '../../wire/amqp/envelope.js';
import { EVENTS_DEAD, JOBS_DEAD } from '../../wire/amqp/topology.js';

const REASON_HEADER = 'owl-reason';
const QUEUE_HEADER = 'owl-queue';
const LONGEST_REASON = 500;

export interface DeadLetter {
  readonly queue: string;
  readonly type: string;
  readonly messageId: string;
  readonly reason: string;
  /** How large its body is, in bytes. */
  readonly size: number;
}

/** Why a broker lays a message with the dead by itself. */
const DEATHS = ['rejected', 'delivery_limit', 'expired', 'maxlen'] as const;
const OTHER = 'other';

/** Messages that this node has laid with the dead, and hints whose death it was told, since it began. */
export class BuriedCounts {
  private readonly tally = new Tally([
    ...POISON_KINDS.map((kind) => [EVENTS_DEAD, kind] as const),
    ...[...POISON_KINDS, ...DEATHS, OTHER].map((kind) => [JOBS_DEAD, kind] as const),
  ]);

  add(queue: typeof EVENTS_DEAD | typeof JOBS_DEAD, why: PoisonKind): void {
    this.tally.add(queue, why);
  }

  /** @param reason as the broker has it */
  addDeath(reason: string): void {
    this.tally.add(JOBS_DEAD, DEATHS.find((one) => one === reason) ?? OTHER);
  }

  /** Those of none too. */
  samples() {
    return this.tally.samples(['queue', 'reason']);
  }
}

/** @param to the queue of the dead @param from where it came from */
export async function bury(
  opened: OpenedChannel,
  { message, ack, reject }: Delivery,
  { to, from, reason }: { readonly to: string; readonly from: string; readonly reason: string },
): Promise<void> {
  const { content, properties } = message;
  const { type, messageId, correlationId, timestamp, contentType } = properties;
  const options = {
    ...given({ type, messageId, correlationId, timestamp, contentType }),
    ...{ persistent: true, mandatory: true },
    headers: {
      ...properties.headers,
      ...{ [REASON_HEADER]: reason.slice(0, LONGEST_REASON), [QUEUE_HEADER]: from },
    },
  };
  try {
    // Where there is no such queue all is declared anew, and it comes again.
    if (await opened.send('', to, content, options)) ack();
    else opened.end();
  } catch {
    // The broker says then why: rejected.
    reject();
  }
}

export function deadLetterOf({ content, properties }: Message): DeadLetter {
  const { headers = {}, type, messageId } = properties;
  const [death] = headers['x-death'] ?? [];
  const reason: unknown = headers[REASON_HEADER] ?? death?.reason;
  const queue: unknown = headers[QUEUE_HEADER] ?? death?.queue;
  return {
    queue: textOf(queue),
    type: textOf(type),
    messageId: textOf(messageId),
    reason: textOf(reason),
    size: content.length,
  };
}

/** The same of each copy of a dead message, and of no other one: which sending it was, and when, why and for the how manieth time it died. */
export function diedAt({ properties }: Message): string {
  const { headers = {}, messageId, correlationId, timestamp } = properties;
  const [{ time, reason, count } = {}] = headers['x-death'] ?? [];
  return JSON.stringify([messageId, correlationId, timestamp, time, reason, count]);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, LONGEST_REASON) : '';
}

/** What came with another type of property can't be sent again. */
function given(properties: Readonly<Record<string, unknown>>): Record<string, string | number> {
  const kept: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(properties))
    if (typeof value === 'string' || typeof value === 'number') kept[name] = value;
  return kept;
}
