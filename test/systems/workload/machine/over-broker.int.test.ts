/** A pilot over a real broker: it does all that it does over gRPC, and takes nothing out of the queue that it can't ask for. */

import t from 'tap';
import { identifyProcess } from '../../../../src/base/process-identity.js';
import { jobsQueue, pilotQueue } from '../../../../src/systems/workload/wire/amqp/topology.js';
import { startRabbitMq, withoutRabbitMq } from '../../../support/rabbitmq.js';
import { until } from '../../../support/until.js';
import { NodeOverBroker } from '../support/node-over-broker.js';
import { inputOf, waitingJob, world } from '../support/pilot-world.js';

const CPU = jobsQueue('cpu');

t.test('a pilot over a broker', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('runs what it is hinted at, tells what becomes of it, and says that it goes', async (t) => {
    const here = await world(t);
    const { node, pilot, order, input } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    const one = await pilot({}, { broker: over.place });
    for (const job of ['a', 'b', 'c'])
      over.offer(order(job, { task: job, inputs: [input(job, job)], inputs_total: 1 }));
    for (const job of ['a', 'b', 'c']) {
      t.match(await node.outcome(job), { finished: { job } });
      const told = node.of(job).map((report) => Object.keys(report)[1]);
      t.strictSame(told, ['claim', 'started', 'finished']);
    }
    t.equal(here.stored()['a/out.a1.txt'], 'A');
    const away = `file://${here.storage}/away`;
    const unmounted = { inputs: [input('d', 'd')], inputs_total: 1, data_out_url: away, data_out_seen: away };
    over.offer(order('d', unmounted));
    t.match((await node.outcome('d')).failed, {
      ...{ failure_class: 'storage_unavailable', detail: /is not there now/ },
    });
    await until('all is settled', () => one.status().slots_used === 0);
    await over.untilEmpty(CPU);
    await one.stop();
    t.equal(node.left.length, 1);
    t.notOk(over.heard.includes('log.piece'));
  });

  t.test('asks for the rest of the inputs, and answers who reads a log', async (t) => {
    const here = await world(t);
    const { node, pilot, order, input } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    await pilot({}, { broker: over.place });
    const all = Array.from({ length: 150 }, (_, n) => input(`i${n}`, 'x'));
    node.allInputs.set('many', all);
    const many = { executable: 'join', mode: 'merge', inputs: all.slice(0, 100), inputs_total: 150 };
    over.offer(order('many', many));
    t.match(await node.outcome('many'), { finished: {} });
    t.equal(here.stored()[`${order('many').task}/out.a1.txt`], 'x'.repeat(150));
    const job = waitingJob(here, 'logged', { task: 'logged' });
    over.offer(job.order);
    await until('it has printed', () => job.starts() === 1);
    const printed = () => node.told.flatMap(({ log }) => log?.content?.toString() ?? []);
    await until('its log is read', () => {
      over.tell('p1', 'log.read', { request_id: 'r1', job: 'logged', attempt: 1, offset: 0, length: 0 });
      return printed().includes('started\n');
    });
    job.go();
    t.match(await node.outcome('logged'), { finished: {} });
  });

  t.test('takes no hint that it could not begin, and none while it drains', async (t) => {
    const here = await world(t);
    const { node, pilot, order, input } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    const one = await pilot({ slots: 1 }, { broker: over.place });
    const job = waitingJob(here, 'first');
    over.offer(job.order);
    await until('it runs', () => job.starts() === 1);
    const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
    over.offer(order('second', { ...inputs, task: 'second' }));
    await until('nobody takes it', async () => {
      const { messageCount, consumerCount } = await over.channel.checkQueue(CPU);
      return messageCount === 1 && consumerCount === 0;
    });
    over.tell('p1', 'pilot.drain', { draining: true });
    await until('it drains', () => one.status().draining);
    job.go();
    t.match(await node.outcome('first'), { finished: {} });
    await until('it has room', () => one.status().slots_used === 0);
    const beats = node.samples.length;
    await until('it goes on to beat', () => node.samples.length > beats + 1);
    t.equal(node.of('second').length, 0);
    t.equal(await over.depth(CPU), 1, 'another pilot may have it');
    // A drain that is taken back is heard with the next heartbeat.
    over.lease = { draining: false };
    t.match(await node.outcome('second'), { finished: {} });
    await over.untilEmpty(CPU);
  });

  t.test('what is cancelled is ended, and told once nothing of it runs any more', async (t) => {
    const here = await world(t);
    const { node, pilot } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    await pilot({}, { broker: over.place });
    const job = waitingJob(here, 'j');
    over.offer(job.order);
    await until('it runs', () => node.of('j').some(({ started }) => started));
    const { pid = 0, claim_id = '' } = node.of('j').find(({ started }) => started)?.started ?? {};
    over.tell('p1', 'job.cancel', { job: 'j', claim_id, grace_seconds: 0, reason: 'enough' });
    t.match(await node.outcome('j'), { cancelled: { claim_id } });
    t.equal(identifyProcess(pid), undefined);
    t.same(here.stored(), {});
  });

  t.test('hears that a failure counts as the storage’s, and takes nothing after three of them', async (t) => {
    const here = await world(t);
    const { node, pilot, order, input } = here;
    node.answers = ({ failed }) =>
      failed && { is_success: true, reason: 'storage_unavailable', msg: 'it is there' };
    const over = await NodeOverBroker.start(t, rabbit, node);
    await pilot({ slots: 1 }, { broker: over.place });
    // Beside one that is there, for an empty directory is none where something is missing.
    input('a', 'a');
    const missing = { inputs: [inputOf('gone', 'x')], inputs_total: 1 };
    for (const job of ['a', 'b', 'c']) {
      over.offer(order(job, missing));
      t.match(await node.outcome(job), { failed: { failure_class: 'input_missing' } });
    }
    await until('it says so', () => node.resting.at(-1)?.endsWith('3 times in a row: it is there') === true);
    over.offer(order('d', missing));
    const beats = node.samples.length;
    await until('it goes on to beat', () => node.samples.length > beats + 1);
    t.equal(await over.depth(CPU), 1, 'another pilot may have it');
    t.equal(node.of('d').length, 0);
  });

  t.test('one whose name another has taken ends what runs, and itself', async (t) => {
    const here = await world(t);
    const { node, pilot } = here;
    const over = await NodeOverBroker.start(t, rabbit, node);
    const one = await pilot({}, { broker: over.place });
    const job = waitingJob(here, 'j');
    over.offer(job.order);
    await until('it runs', () => node.of('j').some(({ started }) => started));
    const pid = node.of('j').find(({ started }) => started)?.started?.pid ?? 0;
    node.attach({ session_id: 'another' });
    t.match(await one.lost, { kind: 'refused', message: /another session/ });
    t.equal(identifyProcess(pid), undefined);
  });

  t.test('answers that come late confirm no heartbeat that was sent after them', async (t) => {
    const here = await world(t);
    const { node, pilot } = here;
    node.terms = { lease_seconds: 1, give_up_seconds: 4, margin_seconds: 2 };
    const over = await NodeOverBroker.start(t, rabbit, node);
    await pilot({}, { broker: over.place });
    const job = waitingJob(here, 'j');
    over.offer(job.order);
    await until('it runs', () => node.of('j').some(({ started }) => started));
    const pid = node.of('j').find(({ started }) => started)?.started?.pid ?? 0;
    // Each is answered, once the next one is there.
    over.isLate = true;
    await until('it was ended', () => identifyProcess(pid) === undefined);
    over.isLate = false;
    t.match(await node.outcome('j'), { failed: { failure_class: 'pilot_lost' } });
    await until('another session is attached', () => node.attached.length > 1);
  });

  t.test('a place that can not be meant is told before anything begins', async (t) => {
    const { pilot } = await world(t);
    const secret = { url: 'amqp://owl:secret@127.0.0.1/v1' };
    const error = await pilot({}, { broker: secret }).catch((thrown: unknown) => thrown);
    t.match(error, { kind: 'invalid', message: /workload\.broker_password_file/ });
    t.notMatch(String(error), /secret/);
    const missing = { url: 'amqp://owl@127.0.0.1/v1', passwordFile: '/nowhere/password' };
    await t.rejects(pilot({}, { broker: missing }), { kind: 'invalid', message: /\/nowhere\/password/ });
    t.throws(() => pilotQueue('events'), /rename it/);
  });
});
