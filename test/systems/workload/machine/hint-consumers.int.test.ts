/** Consumers of hints at a real broker, in calls that are counted: what a slot that becomes free has to wait for. */

import type { Channel } from 'amqplib';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import type { HintOver } from '../../../../src/systems/workload/machine/hints.js';
import { HintConsumers } from '../../../../src/systems/workload/machine/road/amqp/hint-consumers.js';
import { Broker } from '../../../../src/systems/workload/wire/amqp/broker.js';
import { declareShared, JOBS_DEAD, jobsQueue } from '../../../../src/systems/workload/wire/amqp/topology.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { type RabbitMq, startRabbitMq, withoutRabbitMq } from '../../../support/rabbitmq.js';
import { until } from '../../../support/until.js';

const CPU = jobsQueue('cpu');
const KEPT_MS = 1_000;
const logger = pino({ level: 'silent' });

interface World {
  readonly clock: ManualClock;
  readonly consumers: HintConsumers;
  /** Jobs that were hinted at, in order. */
  readonly hinted: string[];
  /** To be told what became of a hint, by its job. */
  readonly over: Map<string, HintOver>;
  /** Calls that were made of the channel, whose answers are waited for. */
  readonly calls: { begun: number; ended: number };
  readonly room: { slots: number };
  /** Looks from outside. */
  readonly channel: Channel;
  hint(job: string): Promise<void>;
  untilHinted(count: number): Promise<void>;
}

async function world(t: Test, rabbit: RabbitMq, slots: number): Promise<World> {
  const url = rabbit.url();
  const broker = new Broker({
    ...{ url, passwordFile: rabbit.passwordFile, name: 'test', clock: systemClock, logger },
  });
  t.teardown(() => broker.close());
  const clock = new ManualClock();
  const hinted: string[] = [];
  const over = new Map<string, HintOver>();
  const calls = { begun: 0, ended: 0 };
  const room = { slots };
  let consumers: HintConsumers | undefined;
  const hints = broker.channel({
    name: 'hints',
    begin: async (opened) => {
      await declareShared(opened.raw, 'classic', ['cpu', 'gpu']);
      count(opened.raw, calls);
      consumers = new HintConsumers(
        {
          ...{ queue: CPU, room: () => room.slots, clock, logger },
          onHint: ({ job = '' }, settle) => {
            room.slots -= 1;
            hinted.push(job);
            over.set(job, settle);
          },
        },
        opened,
      );
    },
  });
  broker.start();
  await hints.ready(AbortSignal.timeout(30_000));
  if (consumers === undefined) throw new Error('the channel has not begun');
  const connection = await rabbit.connect(url);
  t.teardown(() => connection.close());
  return {
    ...{ clock, consumers, hinted, over, calls, room },
    channel: await connection.createChannel(),
    hint: (job) => hints.publish(CPU, { type: 'job', messageId: job, body: { job } }),
    untilHinted: (wanted) => until(`${wanted} are hinted at`, () => hinted.length >= wanted),
  };
}

function count(channel: Channel, calls: World['calls']): void {
  const consume = channel.consume.bind(channel);
  const cancel = channel.cancel.bind(channel);
  channel.consume = (...given: Parameters<typeof consume>) => {
    calls.begun += 1;
    return consume(...given);
  };
  channel.cancel = (...given: Parameters<typeof cancel>) => {
    calls.ended += 1;
    return cancel(...given);
  };
}

/** Ready and taken, and who takes. */
async function untilQueue(channel: Channel, what: string, messages: number, consumers: number) {
  await until(what, async () => {
    const { messageCount, consumerCount } = await channel.checkQueue(CPU);
    return messageCount === messages && consumerCount === consumers;
  });
}

t.test('consumers of hints', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('jobs that are over soon cost no consumer, however many they are', async (t) => {
    const { consumers, hinted, over, calls, room, hint, untilHinted } = await world(t, rabbit, 2);
    const jobs = Array.from({ length: 20 }, (_, n) => `j${n}`);
    for (const job of jobs) await hint(job);
    consumers.adjust();
    for (const [n, job] of jobs.entries()) {
      await untilHinted(n + 1);
      over.get(job)?.('granted');
      t.ok(hinted.length <= n + 2, 'no more than there are slots');
      room.slots += 1;
      consumers.adjust();
    }
    t.strictSame(hinted, jobs);
    t.strictSame(calls, { begun: 2, ended: 0 });
  });

  t.test('without room for a while a consumer ends, and what others may have stays', async (t) => {
    const { clock, consumers, hinted, over, calls, room, channel, hint, untilHinted } = await world(
      t,
      rabbit,
      1,
    );
    consumers.adjust();
    await hint('long');
    await untilHinted(1);
    over.get('long')?.('granted');
    await hint('next');
    await untilQueue(channel, 'nobody is given the next one', 1, 1);
    clock.advance(KEPT_MS - 1);
    t.equal(calls.ended, 0);
    clock.advance(1);
    await untilQueue(channel, 'its consumer has ended', 1, 0);
    t.strictSame(hinted, ['long']);
    room.slots += 1;
    consumers.adjust();
    await untilHinted(2);
    t.strictSame(calls, { begun: 2, ended: 1 });
    t.equal(clock.pending, 1, 'that its claim is answered in time');
    over.get('next')?.('released');
    await untilQueue(channel, 'what was acknowledged is gone, what was let go of is there', 1, 0);
  });

  t.test('what was granted does not come again behind the end', async (t) => {
    const { consumers, over, channel, hint, untilHinted, clock } = await world(t, rabbit, 3);
    consumers.adjust();
    for (const job of ['granted', 'refused', 'asked']) await hint(job);
    await untilHinted(3);
    over.get('granted')?.('granted');
    over.get('refused')?.('refused');
    consumers.close();
    await untilQueue(channel, 'the one without an answer is others’ again', 1, 0);
    t.equal(clock.pending, 0);
  });

  t.test('behind what came to nothing the same consumer is given the next', async (t) => {
    const { consumers, hinted, over, calls, room, channel, hint, untilHinted } = await world(t, rabbit, 1);
    consumers.adjust();
    // One has no id, so it can't be read.
    for (const job of ['refused', 'unknown', '', 'last']) await hint(job);
    await untilHinted(1);
    for (const [n, outcome] of (['refused', 'unknown'] as const).entries()) {
      over.get(outcome)?.(outcome);
      room.slots += 1;
      consumers.adjust();
      await untilHinted(n + 2);
    }
    t.strictSame(hinted, ['refused', 'unknown', 'last']);
    t.strictSame(calls, { begun: 1, ended: 0 });
    await until('two are dead', async () => (await channel.checkQueue(JOBS_DEAD)).messageCount === 2);
  });
});
