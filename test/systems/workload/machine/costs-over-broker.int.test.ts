/** What a job costs the broker of its pilot, in things that can be counted. */

import type { ChannelModel, ConfirmChannel } from 'amqplib';
import t, { type Test } from 'tap';
import { startRabbitMq, withoutRabbitMq } from '../../../support/rabbitmq.js';
import { NodeOverBroker } from '../support/node-over-broker.js';
import { world } from '../support/pilot-world.js';

const JOBS = 6;

/** What confirm channels of this process send, which are those of pilots here, until the end of the test. */
async function countSent(t: Test, connection: ChannelModel) {
  const sent = { acknowledged: 0, jobs: new Map<string, string>() };
  const channel = await connection.createConfirmChannel();
  const prototype: ConfirmChannel = Object.getPrototypeOf(channel);
  await channel.close();
  const { ack, publish } = prototype;
  prototype.ack = function (...given) {
    sent.acknowledged += 1;
    ack.apply(this, given);
  };
  prototype.publish = function (...given) {
    const { type = '', messageId = '' } = given[3] ?? {};
    if (type.startsWith('job.')) sent.jobs.set(messageId, type);
    return publish.apply(this, given);
  };
  t.teardown(() => Object.assign(prototype, { ack, publish }));
  return sent;
}

t.test('over a broker', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('a job: three messages, and one acknowledgement, of its hint', async (t) => {
    const { node, order, input, pilot } = await world(t);
    const over = await NodeOverBroker.start(t, rabbit, node);
    const connection = await rabbit.connect(over.place.url);
    t.teardown(() => connection.close());
    const sent = await countSent(t, connection);
    const running = await pilot({}, { broker: over.place });
    const jobs = Array.from({ length: JOBS }, (_, n) => `j${n}`);
    for (const job of jobs) over.offer(order(job, { task: job, inputs: [input('a', 'a')], inputs_total: 1 }));
    for (const job of jobs) t.match(await node.outcome(job), { finished: { exit_code: 0 } });
    await node.until('their hints are acknowledged', () => sent.acknowledged >= JOBS);
    await running.stop();
    t.equal(sent.acknowledged, JOBS);
    const types = ['job.claim', 'job.finished', 'job.started'].flatMap((type) => jobs.map(() => type));
    t.same([...sent.jobs.values()].toSorted(), types);
  });
});
