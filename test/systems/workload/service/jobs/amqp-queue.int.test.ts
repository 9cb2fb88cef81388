/** The queue at a real RabbitMQ keeps the contract of queues, and what only a broker can do to it. */

import { pino } from 'pino';
import t, { type Test } from 'tap';
import { type Clock, systemClock } from '../../../../../src/base/clock.js';
import { BuriedCounts } from '../../../../../src/systems/workload/service/broker/dead-letters.js';
import { AmqpQueue } from '../../../../../src/systems/workload/service/jobs/amqp-queue.js';
import type { JobQueries } from '../../../../../src/systems/workload/service/jobs/job-queries.js';
import type { Offers } from '../../../../../src/systems/workload/service/jobs/offers.js';
import { Broker } from '../../../../../src/systems/workload/wire/amqp/broker.js';
import {
  JOBS_DEAD,
  jobsQueue,
  type QueueType,
} from '../../../../../src/systems/workload/wire/amqp/topology.js';
import { jobQueueContract } from '../../../../contract/job-queue.js';
import { type RabbitMq, startRabbitMq, withoutRabbitMq } from '../../../../support/rabbitmq.js';
import { until } from '../../../../support/until.js';
import { queueWorld } from '../../support/queue-world.js';

const logger = pino({ level: 'silent' });
const CPU = jobsQueue('cpu');

async function open(
  t: Test,
  rabbit: RabbitMq,
  url: string,
  type: QueueType = 'classic',
  clock: Clock = systemClock,
) {
  const broker = new Broker({
    ...{ url, passwordFile: rabbit.passwordFile, name: 'test', clock: systemClock, logger },
  });
  t.teardown(() => broker.close());
  broker.start();
  const make = (queries: JobQueries, offers: Offers) =>
    new AmqpQueue({
      ...{ broker, type, queries, offers, logger },
      ...{ clock, buried: new BuriedCounts() },
    });
  const opened = await queueWorld(t, make, () => undefined);
  await until('it is connected', () => opened.queue.away === undefined);
  return opened;
}

t.test('the queue at a RabbitMQ', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('keeps the contract', async (t) => {
    jobQueueContract(t, (t) => open(t, rabbit, rabbit.url()));
  });

  t.test('and what else happens to it', async (t) => {
    const url = rabbit.url();
    const opened = await open(t, rabbit, url);
    const { queue } = opened;
    const other = await rabbit.connect(url);
    t.teardown(() => other.close());
    const channel = await other.createChannel();

    t.test('a queue that was deleted is there again with what is published', async (t) => {
      await opened.queued(['d1']);
      await channel.deleteQueue(CPU);
      await opened.requeued('d1');
      t.equal(await queue.depth('cpu'), 1);
      await channel.purgeQueue(CPU);
    });

    t.test(
      "what names no job, or one that there is not, lies with the dead and is in nobody's way",
      async (t) => {
        await opened.pilot('p1', { slots: 8 });
        const given: string[] = [];
        const leave = queue.consume({
          ...{ pilot: 'p1', sessionId: 's', device: 'cpu', deliver: ({ job }) => given.push(job) },
        });
        t.teardown(leave);
        channel.sendToQueue(CPU, Buffer.from('not JSON'), {
          type: 'job',
          headers: { 'owl-v': 1 },
          messageId: 'x',
        });
        await queue.publish('cpu', [{ job: 'nobody', curRetry: 0 }], new AbortController().signal);
        await opened.queued(['d2']);
        await until('the one behind them is given', () => given.length > 0);
        t.strictSame(given, ['d2']);
        const reasons: string[] = [];
        await until('both are dead', async () => {
          const dead = await channel.get(JOBS_DEAD, { noAck: true });
          if (dead !== false) reasons.push(String(dead.properties.headers?.['owl-reason']));
          return reasons.length === 2;
        });
        t.strictSame(reasons.sort(), ['the body is not JSON', 'there is no job nobody']);
      },
    );

    t.test('what a pilot that takes its hints itself has let go of is published again', async () => {
      await channel.purgeQueue(CPU);
      await opened.queued(['d3']);
      const isThere = async () => {
        const message = await channel.get(CPU, { noAck: true });
        return message !== false && message.properties.messageId === 'd3/0';
      };
      await until('it is taken', isThere);
      queue.settle('elsewhere', 'd3', 'released');
      await until('it is there again', isThere);
    });
  });

  t.test('what was refused while the executor is strictly off comes again once it is on', async (t) => {
    const url = rabbit.url();
    const pauses: number[] = [];
    const clock: Clock = {
      ...systemClock,
      after: (delayMs, work) => {
        pauses.push(delayMs);
        return systemClock.after(delayMs, work);
      },
    };
    const opened = await open(t, rabbit, url, 'classic', clock);
    const other = await rabbit.connect(url);
    t.teardown(() => other.close());
    const channel = await other.createChannel();
    const uids = ['s1', 's2', 's3'];
    const taken = async () => {
      const hints: string[] = [];
      await until('all are taken', async () => {
        const message = await channel.get(CPU, { noAck: true });
        if (message !== false) hints.push(String(message.properties.messageId));
        return hints.length === uids.length;
      });
      return hints.sort();
    };
    await opened.queued(uids);
    await opened.switched('off');
    const hints = await taken();
    t.strictSame(hints, ['s1/0', 's2/0', 's3/0']);
    const before = pauses.length;
    for (const uid of uids) opened.queue.settle('elsewhere', uid, 'released');
    t.equal(pauses.length, before, 'none of them is to come again by itself');
    t.equal(await opened.queue.depth('cpu'), 0);
    await opened.switched('on');
    t.strictSame(await taken(), hints, 'each of them once');
    t.equal(await opened.queue.depth('cpu'), 0);
  });

  t.test('of quorum queues as well', async (t) => {
    const opened = await open(t, rabbit, rabbit.url(), 'quorum');
    await opened.pilot('p1', { slots: 2 });
    const given: string[] = [];
    const leave = opened.queue.consume({
      ...{ pilot: 'p1', sessionId: 's', device: 'cpu', deliver: ({ job }) => given.push(job) },
    });
    t.teardown(leave);
    await opened.queued(['q1', 'q2']);
    await until('both are given', () => given.length === 2);
    t.strictSame(given, ['q1', 'q2']);
  });

  t.test('a broker that is away is said, and nothing is published', async (t) => {
    const opened = await open(t, rabbit, rabbit.url());
    t.equal(opened.queue.away, undefined);
    await rabbit.kill();
    await until('it is missed', () => opened.queue.away !== undefined);
    t.match(opened.queue.away, /^the broker is away since 20.*: .+/);
    await t.rejects(opened.queue.publish('cpu', [{ job: 'k3', curRetry: 0 }], new AbortController().signal), {
      name: 'BrokerUnavailableError',
    });
  });
});
