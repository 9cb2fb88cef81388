/**
 * Hints that the broker has laid with the dead: of each a node gets a copy (`owl.jobs.deaths`), while the dead letter itself stays where
 * people look.
 *
 * Guarantees: a death counts once, on however many nodes and however often its copy comes; a copy is the broker's until what it
 * leads to is stored or refused, so a node that is killed loses none; what can't be read, or is about no job, counts for nobody and
 * stops nobody.
 */

import type { Message } from 'amqplib';
import { Backoff } from '../../../../base/backoff.js';
import { messageOf } from '../../../../base/errors.js';
import { isTransient } from '../../../../base/failure-kinds.js';
import { retry } from '../../../../base/repeat.js';
import { uuidOf } from '../../../../base/uuid.js';
import type { Delivery } from '../../wire/amqp/broker-channel.js';
import { decode, JOB_TYPE } from '../../wire/amqp/envelope.js';
import { job } from '../jobs/job-commands.js';
import type { JobHint } from '../jobs/job-queue.js';
import { hintDied } from '../jobs/job-upkeep.js';
import type { WorkloadContext } from '../workload-context.js';
import { type DeadLetter, deadLetterOf, diedAt } from './dead-letters.js';
import { untilQueued } from './until-queued.js';

const LONGEST_PAUSE_MS = 1_000;

export class DeadHints {
  private readonly context: Pick<WorkloadContext, 'system' | 'clock' | 'logger'>;
  private readonly tell: (letter: DeadLetter) => void;

  /** @param tell of each that came, once it is settled */
  constructor(
    context: Pick<WorkloadContext, 'system' | 'clock' | 'logger'>,
    tell: (letter: DeadLetter) => void,
  ) {
    this.context = context;
    this.tell = tell;
  }

  /** Never rejects. @param over aborts when its channel is gone: then it is the broker's again */
  async take(delivery: Delivery, over: AbortSignal): Promise<void> {
    const { clock, logger } = this.context;
    const { message } = delivery;
    const letter = deadLetterOf(message);
    const hint = hintIn(message);
    if (hint !== undefined)
      await retry(
        {
          ...{ clock, signal: over, backoff: new Backoff({ longestMs: LONGEST_PAUSE_MS }) },
          failed: (error) =>
            logger.debug({ err: error, job: hint.job }, 'the death of a hint is not stored yet'),
        },
        () => this.count(message, hint, letter),
      );
    if (over.aborted) return;
    this.tell(letter);
    delivery.ack();
  }

  /** @throws what is to be tried again */
  private async count(message: Message, hint: JobHint, { queue, reason }: DeadLetter): Promise<void> {
    const { system, logger } = this.context;
    const { job: uid, curRetry } = hint;
    try {
      await untilQueued(this.context, hint);
      const { events } = await system.execute(job, uid, {
        id: uuidOf(`owl/workload/death/1/${uid}/${curRetry}/${diedAt(message)}`),
        by: 'job-manager',
        decide: (snapshot) => hintDied(snapshot, { queue, reason, curRetry }),
      });
      if (events.length > 0) logger.warn({ job: uid, queue, reason }, 'a hint of a job lies with the dead');
    } catch (error) {
      if (isTransient(error)) throw error;
      logger.error({ job: uid, reason: messageOf(error) }, 'the death of a hint can not be stored');
    }
  }
}

/** Undefined: it can't be read. */
function hintIn(message: Message): JobHint | undefined {
  try {
    const { job: uid, cur_retry: curRetry = 0 } = decode(message, [JOB_TYPE]).body;
    return typeof uid === 'string' && uid !== '' && typeof curRetry === 'number'
      ? { job: uid, curRetry }
      : undefined;
  } catch {
    return undefined;
  }
}
