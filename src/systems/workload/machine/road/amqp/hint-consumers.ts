/**
 * The consumers of hints: one for each job that the pilot could begin now, and each is given one hint at a time.
 *
 * To begin and to end a consumer are calls that wait for each other, and for the broker. So one whose hint is answered is kept for a
 * moment, and its hint not acknowledged, by which nothing more comes: where there is room again by then, as behind a short job, the
 * acknowledgement alone brings the next hint.
 *
 * Guarantees: nothing is taken out of the queue that could not be asked for at once; a hint is acknowledged at the latest a second after
 * its claim is answered, either way, and is others' again after 30 s without an answer, when the node is away, and when it is not
 * asked for; one that can't be read, or that is about no job, goes to the dead, is told once, and the next one comes.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../../../../base/clock.js';
import { ToldFailures } from '../../../../../base/told-failures.js';
import type { Delivery, OpenedChannel } from '../../../wire/amqp/broker-channel.js';
import { decode, JOB_TYPE } from '../../../wire/amqp/envelope.js';
import type { Hint } from '../../../wire/pilot-messages.js';
import type { HintOutcome, HintOver } from '../../hints.js';
import { hintIn } from './messages-to-pilots.js';

const ANSWERED_WITHIN_MS = 30_000;
/** After a hint that came to nothing, before another is taken in its place. */
const PAUSE_MS = 1_000;
/** How long a consumer without room is kept. */
const KEEP_MS = 1_000;

export interface HintConsumersOptions {
  readonly queue: string;
  /** How many could be asked for now, beside those that are in hand. */
  readonly room: () => number;
  readonly onHint: (hint: Hint, over: HintOver) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Consumer {
  state: 'idle' | 'busy' | 'kept' | 'ended';
  cancel: () => void;
  /** Of one that is kept: gives up the hint that it waits with. */
  settle: () => void;
}

/** Of one life of a channel. */
export class HintConsumers {
  private readonly options: HintConsumersOptions;
  private readonly channel: OpenedChannel;
  private readonly failures: ToldFailures;
  private readonly consumers = new Set<Consumer>();
  /** Ends of those that are in hand. */
  private readonly inHand = new Set<HintOver>();
  private cancelPause: (() => void) | undefined;
  private isOver = false;

  constructor(options: HintConsumersOptions, channel: OpenedChannel) {
    this.options = options;
    this.channel = channel;
    this.failures = new ToldFailures(options.logger);
  }

  /** To be called whenever there may be more or less room. */
  adjust(): void {
    if (this.isOver || this.cancelPause !== undefined) return;
    const idle = this.inState('idle');
    const surplus = idle.length - this.options.room();
    for (const consumer of idle.slice(0, Math.max(0, surplus))) this.end(consumer);
    if (surplus >= 0) return;
    const kept = this.inState('kept').slice(0, -surplus);
    for (const consumer of kept) this.goOn(consumer);
    for (let n = surplus + kept.length; n < 0; n++) this.open();
  }

  /** Nothing more is taken; what is in hand is others' again. */
  close(): void {
    this.isOver = true;
    this.cancelPause?.();
    for (const consumer of [...this.consumers]) this.end(consumer);
    for (const over of [...this.inHand]) over('released');
  }

  private inState(wanted: Consumer['state']): Consumer[] {
    return [...this.consumers].filter(({ state }) => state === wanted);
  }

  private open(): void {
    const consumer: Consumer = { state: 'idle', cancel: nothing, settle: nothing };
    this.consumers.add(consumer);
    this.channel
      .consume(this.options.queue, 1, (delivery) => this.take(consumer, delivery))
      .then(
        (cancel) => {
          consumer.cancel = () => void cancel().catch(() => undefined);
          if (consumer.state === 'ended') consumer.cancel();
        },
        (error: unknown) => {
          this.consumers.delete(consumer);
          this.failures.tell('consume', error, 'no hints can be taken; trying again', {
            queue: this.options.queue,
          });
          this.channel.end();
        },
      );
  }

  private end(consumer: Consumer): void {
    consumer.state = 'ended';
    this.consumers.delete(consumer);
    consumer.cancel();
    // Behind its end, so that nothing comes in its place.
    consumer.settle();
  }

  private take(consumer: Consumer, delivery: Delivery): void {
    if (consumer.state === 'ended') {
      delivery.release();
      return;
    }
    consumer.state = 'busy';
    const hint = this.read(delivery);
    if (hint === undefined) {
      this.keep(consumer, () => delivery.reject());
      return;
    }
    const over = (outcome: HintOutcome): void => {
      if (!this.inHand.delete(over)) return;
      cancelLate();
      this.settle(consumer, delivery, hint, outcome);
    };
    const cancelLate = this.options.clock.after(ANSWERED_WITHIN_MS, () => over('released'));
    this.inHand.add(over);
    this.options.onHint(hint, over);
  }

  private read({ message }: Delivery): Hint | undefined {
    try {
      const { body } = decode(message, [JOB_TYPE]);
      return hintIn(body);
    } catch (error) {
      this.failures.tell('poison', error, 'a hint can not be read; it goes to the dead letters', {
        queue: this.options.queue,
      });
      return undefined;
    }
  }

  private settle(consumer: Consumer, delivery: Delivery, { job }: Hint, outcome: HintOutcome): void {
    if (outcome === 'released') {
      this.pause(consumer);
      delivery.release();
    } else if (outcome === 'unknown') {
      this.options.logger.warn({ job }, 'a hint is about no job that there is; it goes to the dead letters');
      this.keep(consumer, () => delivery.reject());
    } else this.keep(consumer, () => delivery.ack());
  }

  private keep(consumer: Consumer, settle: () => void): void {
    if (consumer.state === 'ended') {
      settle();
      return;
    }
    const cancelEnd = this.options.clock.after(KEEP_MS, () => this.end(consumer));
    consumer.state = 'kept';
    consumer.settle = () => {
      cancelEnd();
      consumer.settle = nothing;
      settle();
    };
    this.adjust();
  }

  private goOn(consumer: Consumer): void {
    consumer.state = 'idle';
    consumer.settle();
  }

  private pause(consumer: Consumer): void {
    this.end(consumer);
    if (this.isOver) return;
    this.cancelPause ??= this.options.clock.after(PAUSE_MS, () => {
      this.cancelPause = undefined;
      this.adjust();
    });
  }
}

function nothing(): void {}
