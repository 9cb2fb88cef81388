/**
 * The queue at a RabbitMQ. Pilots that speak AMQP take hints from there themselves; those that speak gRPC are handed theirs by this
 * node, which takes from the same queues what one of them has room for.
 *
 * Guarantees: what was published is confirmed by the broker, for good; a queue that is gone is declared anew; a claim that came to nothing
 * is published again after a pause, and where it came to nothing because the executor is strictly off once that is on again; while the
 * broker is away nothing is published, and it is said since when and why.
 */

import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { orAborted } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';
import { messageOf } from '../../../../base/errors.js';
import { textIn } from '../../../../base/sql.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { DEVICES } from '../../devices.js';
import type { Broker } from '../../wire/amqp/broker.js';
import type { BrokerChannel } from '../../wire/amqp/broker-channel.js';
import { JOB_TYPE } from '../../wire/amqp/envelope.js';
import { declareShared, jobsQueue, type QueueType } from '../../wire/amqp/topology.js';
import type { BuriedCounts } from '../broker/dead-letters.js';
import { AGAIN_AFTER_MS, HandedHints } from './handed-hints.js';
import type { JobQueries } from './job-queries.js';
import type { HintConsumer, JobHint, JobQueue } from './job-queue.js';
import type { Offers } from './offers.js';

const OPEN_WITHIN_MS = 2_000;
/** Events behind which a hint that was taken is still to be given. */
const STILL_WAITS: ReadonlySet<string> = new Set(['JobCreated', 'JobQueued']);

export interface AmqpQueueOptions {
  readonly broker: Broker;
  readonly type: QueueType;
  readonly buried: BuriedCounts;
  readonly queries: JobQueries;
  readonly offers: Offers;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class AmqpQueue implements JobQueue {
  readonly name = 'amqp';
  private readonly options: AmqpQueueOptions;
  private readonly channel: BrokerChannel;
  private readonly handed: HandedHints;
  private readonly pauses = new Set<() => void>();
  /** Jobs that pilots, which take their hints themselves, were refused while the executor is strictly off. */
  private readonly withheld = new Set<string>();
  private isStopped = false;

  constructor(options: AmqpQueueOptions) {
    this.options = options;
    const { queries, offers, clock, logger, buried } = options;
    this.handed = new HandedHints({ channel: () => this.channel, queries, offers, clock, logger, buried });
    this.channel = options.broker.channel({
      name: 'hints of jobs',
      begin: async ({ raw }) => {
        await declareShared(raw, options.type, DEVICES);
        setImmediate(() => this.handed.wake());
      },
      ended: () => this.handed.lose(),
    });
  }

  get delivered(): number {
    return this.handed.delivered;
  }

  /** Hints of a device that this node has taken and not settled. */
  held(device: string): number {
    return this.handed.countOf(device);
  }

  get away(): string | undefined {
    const { broker } = this.options;
    const { isConnected, reason, since } = broker.now;
    const when = new Date(since).toISOString();
    if (!isConnected) return `the broker is away since ${when}: ${reason ?? 'it does not answer'}`;
    if (this.channel.opened === undefined)
      return `the broker is there, but not its queues: ${this.channel.reason}`;
    return reason === undefined ? undefined : `the broker is there since ${when}, but ${reason}`;
  }

  async depth(device: string): Promise<number> {
    await this.channel.ready(AbortSignal.timeout(OPEN_WITHIN_MS));
    const waiting = await this.channel.opened?.raw.checkQueue(jobsQueue(device));
    return this.handed.countOf(device) + (waiting?.messageCount ?? 0);
  }

  async publish(device: string, hints: readonly JobHint[], signal: AbortSignal): Promise<void> {
    const { type } = this.options;
    // A channel that is just being opened is waited for.
    await this.channel.ready(AbortSignal.any([signal, AbortSignal.timeout(OPEN_WITHIN_MS)]));
    const published = hints.map(({ job, curRetry, executable, memoryMib }) =>
      this.channel.publish(
        jobsQueue(device),
        {
          // Of this sending alone: two hints of a job may die within one second, which is all that a broker tells.
          ...{ type: JOB_TYPE, messageId: `${job}/${curRetry}`, correlationId: randomUUID() },
          body: { job, cur_retry: curRetry, executable, memory_mib: memoryMib },
        },
        (raw) => declareShared(raw, type, DEVICES),
      ),
    );
    await orAborted(Promise.all(published), signal);
  }

  consume(consumer: HintConsumer): () => void {
    return this.handed.consume(consumer);
  }

  settle(pilot: string, job: string, outcome: 'taken' | 'released'): void {
    // Granted, it stays out until the row says so.
    if (outcome === 'taken') return;
    if (this.handed.has(job)) this.handed.pause(pilot, job);
    else if (this.options.queries.isStrictlyOff()) this.withheld.add(job);
    else this.publishAgain(job);
  }

  observe(events: readonly RecordedEvent[]): void {
    let concerns = false;
    for (const { stream, type } of events) {
      if (!/^wl_(job|pilot|task|switch)-/.test(stream)) continue;
      concerns = true;
      if (stream.startsWith('wl_switch-')) this.giveUpWithholding();
      if (stream.startsWith('wl_job-') && !STILL_WAITS.has(type)) this.handed.forget(idOf(stream));
    }
    if (concerns) this.handed.wake();
  }

  forget(): void {
    this.handed.wake();
  }

  stop(): void {
    this.isStopped = true;
    for (const cancel of this.pauses) cancel();
    this.handed.stop();
    this.options.broker.drop(this.channel);
  }

  private giveUpWithholding(): void {
    if (this.withheld.size === 0 || this.options.queries.isStrictlyOff()) return;
    const jobs = [...this.withheld];
    this.withheld.clear();
    for (const uid of jobs) void this.publishIfQueued(uid);
  }

  /** A pilot that takes its hints itself has let go of it. */
  private publishAgain(uid: string): void {
    const cancel = this.options.clock.after(AGAIN_AFTER_MS, () => {
      this.pauses.delete(cancel);
      void this.publishIfQueued(uid);
    });
    this.pauses.add(cancel);
  }

  /** Never rejects: what comes to nothing here the executor does, after its own time. */
  private async publishIfQueued(uid: string): Promise<void> {
    const { queries, logger } = this.options;
    try {
      const row = queries.row(uid);
      if (this.isStopped || row?.['state'] !== 'queued') return;
      const hint = {
        ...{ job: uid, curRetry: Number(row['cur_retry'] ?? 0), executable: textIn(row, 'executable') },
      };
      await this.publish(textIn(row, 'device_type'), [hint], new AbortController().signal);
    } catch (error) {
      logger.debug({ job: uid, reason: messageOf(error) }, 'a hint was not sent again; the executor will');
    }
  }
}
