/** What a broker and its queues do to a pilot: it dies, its queues are emptied and deleted, and what lies in them can't be read. */

import t, { type Test } from 'tap';
import {
  EVENTS_DEAD,
  EXCHANGE,
  JOBS_DEAD,
  jobsQueue,
  PILOT_EVENTS,
  pilotQueue,
} from '../../../../src/systems/workload/wire/amqp/topology.js';
import { type RabbitMq, startRabbitMq, withoutRabbitMq } from '../../../support/rabbitmq.js';
import { until } from '../../../support/until.js';
import { NodeOverBroker } from '../support/node-over-broker.js';
import { type World, waitingJob, world } from '../support/pilot-world.js';

const CPU = jobsQueue('cpu');
const V = { 'owl-v': 1 };

function ordered({ order, input }: World, job: string) {
  return order(job, { task: job, inputs: [input('a', 'a')], inputs_total: 1 });
}

t.test('a pilot and its broker', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('each message that comes three times changes nothing', async (t) => {
    const here = await world(t);
    const { node, pilot } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    over.times = 3;
    const one = await pilot({}, { broker: over.place });
    const job = waitingJob(here, 'waits', { task: 'waits' });
    over.offer(job.order, 3);
    await until('it runs', () => job.starts() === 1);
    // The other two of its hints are nothing to ask for.
    await over.untilEmpty(CPU);
    for (const name of ['b', 'c']) over.offer(ordered(here, name), 3);
    for (const name of ['b', 'c']) t.match(await node.outcome(name), { finished: {} });
    job.go();
    t.match(await node.outcome('waits'), { finished: {} });
    await until('all is settled', () => one.status().slots_used === 0);
    await over.untilEmpty(CPU);
    t.equal(job.starts(), 1);
    for (const name of ['waits', 'b', 'c']) t.equal(node.of(name).filter(({ started }) => started).length, 1);
  });

  t.test('what can not be read goes to the dead, is told once, and the queue moves on', async (t) => {
    const here = await world(t);
    const { node, pilot, log } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    await pilot({}, { broker: over.place });
    await poison(over, CPU, 'job');
    over.hint('cpu', { cur_retry: 1 });
    over.hint('cpu', { job: 'a', cur_retry: -1 });
    node.answers = ({ claim }) =>
      claim?.job === 'nobody' ? { is_success: false, reason: 'unknown', msg: 'there is no job' } : undefined;
    over.hint('cpu', { job: 'nobody' });
    await until('all of it is dead', async () => (await over.depth(JOBS_DEAD)) === 8);
    await poison(over, pilotQueue('p1'), 'lease');
    over.tell('p1', 'lease', { lease_seconds: 'long' }, 'x');
    over.tell('p1', 'job.granted', { job: 'j', claim_id: 'c', attempt: 1, executable: 'upper' }, 'x');
    over.tell('p1', 'job.cancel', { job: 'j' });
    over.tell('p1', 'report.taken', {});
    await until('all of it is dead', async () => (await over.depth(EVENTS_DEAD)) === 9);
    const { properties } = (await over.channel.get(EVENTS_DEAD)) || {};
    t.match(properties?.headers, { 'owl-reason': /./ });
    over.offer(ordered(here, 'good'));
    t.match(await node.outcome('good'), { finished: {} });
    const told = log.messages('error').filter((line) => /dead letters/.test(line));
    t.equal(told.filter((line) => /a hint/.test(line)).length, 7);
    t.equal(told.filter((line) => /this pilot/.test(line)).length, 9);
  });

  t.test('queues that are emptied and deleted by hand: all is told again, and heard again', async (t) => {
    const here = await world(t);
    const { node, pilot } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    await pilot({}, { broker: over.place });
    const job = waitingJob(here, 'j');
    over.offer(job.order);
    await until('it runs', () => node.of('j').some(({ started }) => started));
    // Nobody takes what it tells, and then it is gone.
    await over.close();
    const other = await rabbit.connect(over.place.url);
    const channel = await other.createChannel();
    job.go();
    let purged = 0;
    await until('it has told its end', async () => {
      const { messageCount } = await channel.checkQueue(PILOT_EVENTS);
      if (messageCount > 0 && here.stored()['out.txt'] === undefined) purged += messageCount;
      await channel.purgeQueue(PILOT_EVENTS);
      return purged > 0 && Object.keys(here.stored()).length > 0;
    });
    await channel.purgeQueue(PILOT_EVENTS);
    await channel.deleteQueue(pilotQueue('p1'));
    await channel.deleteQueue(CPU);
    await other.close();
    await over.connect();
    t.match(await node.outcome('j'), { finished: {} });
    over.offer(ordered(here, 'k'));
    t.match(await node.outcome('k'), { finished: {} });
    t.equal(node.attached.length, 1, 'it is the same session');
  });

  await killed(t, rabbit);
});

/** The last one: the broker is killed. */
async function killed(t: Test, rabbit: RabbitMq): Promise<void> {
  await t.test('a broker that is killed, twice, with jobs under way: what runs runs on, once', async (t) => {
    const here = await world(t);
    const { node, pilot } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    const one = await pilot({ slots: 4 }, { broker: over.place });
    const jobs = ['a', 'b', 'c', 'd'].map((name) => waitingJob(here, name, { task: name }));
    for (const job of jobs) over.offer(job.order);
    await until('all run', () => jobs.every((job) => job.starts() === 1));
    await rabbit.kill();
    jobs[0]?.go();
    await until('one has ended meanwhile', () => here.stored()['a/out.a1.txt'] !== undefined);
    await rabbit.start();
    await over.connect();
    t.match(await node.outcome('a'), { finished: {} });
    // Only who has heard that its end is taken has a slot for another.
    await until('its slot is free', () => one.status().slots_used === 3);
    // Its lease has to be confirmed once more before it takes hints again: a node that says nothing from before that on is away to it.
    await until('it takes hints again', async () => (await over.channel.checkQueue(CPU)).consumerCount === 1);
    // In the middle of a claim: it is asked for, and the broker dies before there is an answer.
    node.isAway = true;
    over.heard = [];
    over.offer(ordered(here, 'e'));
    await until('it is asked for', () => over.heard.includes('job.claim'));
    await rabbit.kill();
    await rabbit.start();
    await over.connect();
    node.isAway = false;
    for (const job of jobs) job.go();
    for (const name of ['b', 'c', 'd', 'e']) t.match(await node.outcome(name), { finished: {} });
    await until('all is settled', () => one.status().slots_used === 0);
    for (const [n, name] of ['a', 'b', 'c', 'd'].entries()) {
      t.equal(jobs[n]?.starts(), 1);
      t.equal(new Set(node.of(name).map(({ started }) => started?.pid)).size, 2, 'one process of it');
    }
    t.equal(node.attached.length, 1, 'it is the same session');
  });
}

/** Five that nobody can read. */
async function poison({ channel }: NodeOverBroker, queue: string, type: string): Promise<void> {
  const put = (content: string, options: object) =>
    channel.publish(EXCHANGE, queue, Buffer.from(content), { messageId: 'm', type, headers: V, ...options });
  put('', {});
  put('{"job":', {});
  put('{"job":"a"}', { headers: { 'owl-v': 2 } });
  put('{"job":"a"}', { type: 'nonsense' });
  put(`{"job":"${'a'.repeat(1024 * 1024)}"}`, {});
}
