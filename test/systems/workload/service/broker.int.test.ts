/** What pilots say over a real RabbitMQ: the same as by gRPC, whatever else lies in the queue and however often it comes. */

import { randomUUID } from 'node:crypto';
import type { Channel } from 'amqplib';
import t, { type Test } from 'tap';
import { registerDataset } from '../../../../src/systems/workload/service/datasets/dataset-commands.js';
import { dataset } from '../../../../src/systems/workload/service/datasets/dataset-types.js';
import {
  EVENTS_DEAD,
  EXCHANGE,
  jobsQueue,
  PILOT_EVENTS,
} from '../../../../src/systems/workload/wire/amqp/topology.js';
import { type RabbitMq, startRabbitMq, withoutRabbitMq } from '../../../support/rabbitmq.js';
import { until } from '../../../support/until.js';
import { RawAmqpPilot } from '../support/raw-amqp-pilot.js';
import type { WorkloadNode } from '../support/workload-node.js';
import { startWorkloadOverBroker } from '../support/workload-over-broker.js';

async function open(t: Test, rabbit: RabbitMq, config: Readonly<Record<string, number>> = {}) {
  const { node, url } = await startWorkloadOverBroker(t, rabbit, config);
  const connection = await rabbit.connect(url);
  t.teardown(() => connection.close().catch(() => undefined));
  return { node, url, connection, channel: await connection.createChannel() };
}

/** The hint of a job, as a pilot gets it: taken from the queue. */
async function hintOf(channel: Channel, uid: string): Promise<void> {
  await until(`there is a hint of ${uid}`, async () => {
    const message = await channel.get(jobsQueue('cpu'), { noAck: true });
    return message !== false && message.content.toString().includes(uid);
  });
}

const typesOf = async (node: WorkloadNode, uid: string) => (await node.eventsOf(uid)).map(({ type }) => type);

t.test('pilots over a broker', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('the life of a job, each message three times', async (t) => {
    const { node, connection, channel } = await open(t, rabbit);
    const pilot = await RawAmqpPilot.open(connection);
    t.match(await pilot.register(), {
      type: 'pilot.welcome',
      body: {
        lease_seconds: 30,
        policy: 'end',
        give_up_seconds: 100,
        margin_seconds: 10,
        protocol: 1,
        draining: false,
      },
    });
    t.match(await pilot.ask('pilot.heartbeat', { sample: { slots_used: 0 } }), { type: 'lease' });
    await node.createJob('j1');
    await hintOf(channel, 'j1');
    const claim = await pilot.send('job.claim', { job: 'j1', cur_retry: 0 }, randomUUID(), 3);
    const granted = await pilot.answerTo(claim);
    t.match(granted, { type: 'job.granted', body: { job: 'j1', attempt: 1, executable: 'wc' } });
    const { claim_id } = granted.body;
    const started = { job: 'j1', claim_id, pid: 7, boot_id: 'b', start_time: '1' };
    t.match(await pilot.ask('job.started', started), { type: 'report.taken' });
    t.match(await pilot.ask('job.inputs', { job: 'j1', claim_id, from: 0 }), {
      ...{ type: 'job.inputs.page', body: { inputs_total: 1 } },
    });
    const written = (uid: string, name: string) => ({
      ...{
        uid,
        file_name: name,
        path: `j1/${name.replace('.j0', '.j0.a1')}`,
        size: 4,
        sha256: '4'.repeat(64),
      },
      check_sum: 'b026324c6904b2a9cb4b88d6d61c81d1',
    });
    const finished = {
      ...{ job: 'j1', claim_id, exit_code: 0, wall_seconds: 1 },
      ...{ outputs: [written('o0', 'a.j0.txt')], log: written('l0', 'a.j0.log') },
    };
    const end = await pilot.send('job.finished', finished, randomUUID(), 3);
    await until('each is answered', () => pilot.answersTo(end).length === 3);
    t.match(pilot.answersTo(end), [
      { type: 'report.taken' },
      { type: 'report.taken' },
      { type: 'report.taken' },
    ]);
    await until('each claim is answered', () => pilot.answersTo(claim).length === 3);
    // Late: begins, and claims of what is over.
    t.match(await pilot.ask('job.started', started), { type: 'refused', body: { reason: 'stale_claim' } });
    t.strictSame(await typesOf(node, 'j1'), [
      'JobCreated',
      'JobQueued',
      'JobClaimed',
      'JobStarted',
      'JobFinished',
    ]);
    t.equal((await channel.checkQueue(EVENTS_DEAD)).messageCount, 0);
  });

  t.test('a failure that counts as another is answered with what it counts as', async (t) => {
    const { node, connection, channel } = await open(t, rabbit);
    await node.context.runtime.system.execute(dataset, 'd0', {
      decide: registerDataset({ name: 'in', storage_url: 'file:///nowhere/at/all' }),
    });
    const pilot = await RawAmqpPilot.open(connection);
    await pilot.register();
    await node.createJob('j1');
    await hintOf(channel, 'j1');
    const { claim_id } = (await pilot.ask('job.claim', { job: 'j1', cur_retry: 0 })).body;
    const failed = { job: 'j1', claim_id, failure_class: 'input_missing', detail: 'ENOENT', file: 'f0' };
    const told = await pilot.send('job.failed', failed, randomUUID(), 3);
    await until('each is answered', () => pilot.answersTo(told).length === 3);
    const body = { reason: 'storage_unavailable', msg: /pilot p1 alone has looked/ };
    const same = { type: 'report.taken', body };
    t.match(pilot.answersTo(told), [same, same, same]);
    t.match((await node.eventsOf('j1')).at(-1), {
      ...{ type: 'JobAttemptFailed', data: { class: 'storage_unavailable' } },
    });
  });

  t.test('a session that was replaced does not come back, however late its words are', async (t) => {
    const { connection } = await open(t, rabbit);
    const first = await RawAmqpPilot.open(connection, 'p1', 'one');
    const registered = randomUUID();
    const about = {
      protocol_min: 1,
      protocol_max: 1,
      body: { device_type: 'cpu', slots: 1, executables: ['wc'] },
    };
    t.match(await first.ask('pilot.register', about, registered), { type: 'pilot.welcome' });
    t.match(await first.ask('pilot.register', about, randomUUID()), { type: 'pilot.welcome' }, 'once more');
    const second = { ...about, session_id: 'two' };
    t.match(await first.ask('pilot.register', second), {
      type: 'pilot.welcome',
      body: { session_id: 'two' },
    });
    for (const type of ['pilot.register', 'pilot.heartbeat', 'pilot.bye'])
      t.match(
        await first.ask(type, about),
        { type: 'refused', body: { kind: 'refused', retryable: false } },
        type,
      );
    t.match(await first.ask('pilot.heartbeat', { session_id: 'two' }), { type: 'lease' });
  });

  t.test('poison lies with the dead, with its reason, and stops nobody', async (t) => {
    const { node, connection, channel } = await open(t, rabbit);
    const pilot = await RawAmqpPilot.open(connection);
    await pilot.register();
    const good = { messageId: 'm', type: 'pilot.heartbeat', headers: { 'owl-v': 1 } };
    const send = (text: string | Buffer, options: object) =>
      channel.publish(EXCHANGE, PILOT_EVENTS, Buffer.from(text), { ...good, ...options });
    send('', {});
    send('{"pilot":', {});
    send('[]', {});
    send('{}', {});
    send('{}', { headers: { 'owl-v': 9 } });
    send('{}', { headers: {} });
    send('{}', { type: 'pilot.dance' });
    send(Buffer.alloc(1024 * 1024, 'x'), {});
    send(JSON.stringify({ pilot: 'events', session_id: 's' }), {});
    const who = { pilot: 'p1', session_id: pilot.session };
    send(JSON.stringify({ ...who, job: 'j', claim_id: 'c', outputs: 5 }), { type: 'job.finished' });
    for (const type of ['job.claim', 'job.started', 'job.failed', 'job.cancelled', 'job.finished'])
      t.match(
        await pilot.ask(type, {
          job: 'nobody',
          claim_id: 'c',
          pid: 1,
          boot_id: 'b',
          start_time: '1',
          failure_class: 'payload_exit',
        }),
        { body: { reason: 'unknown', retryable: false } },
        type,
      );
    t.match(await pilot.ask('pilot.heartbeat'), { type: 'lease' }, 'who speaks sense is heard');
    const reasons: string[] = [];
    await until('all are dead', async () => {
      const message = await channel.get(EVENTS_DEAD, { noAck: true });
      if (message !== false) reasons.push(String(message.properties.headers?.['owl-reason']));
      return reasons.length === 15;
    });
    const wanted = [
      ...[
        'the body is empty',
        'the body is not JSON',
        'the body is no JSON object',
        'pilot',
        'owl-v is 9',
        'owl-v is missing',
      ],
      ...[
        'type is "pilot.dance"',
        '1048576 bytes',
        "can't be called events",
        'the body is no job.finished',
        'about job nobody',
      ],
    ];
    for (const reason of wanted)
      t.ok(
        reasons.some((one) => one.includes(reason)),
        reason,
      );
    t.equal((await channel.checkQueue(PILOT_EVENTS)).messageCount, 0);
    t.match(node.node.address, /:/, 'and the node is there');
  });

  t.test('what can not be true is refused with its field', async (t) => {
    const { connection } = await open(t, rabbit);
    const pilot = await RawAmqpPilot.open(connection);
    t.match(await pilot.register({ protocol_min: 0 }), {
      type: 'refused',
      body: { kind: 'invalid', msg: /protocol_min/ },
    });
    t.match(await pilot.register({ body: { device_type: 'tpu' } }), {
      type: 'refused',
      body: { msg: /device_type/ },
    });
    t.match(await pilot.register({ protocol_min: 9, protocol_max: 9 }), {
      body: { msg: /upgrade the node/ },
    });
    t.match(await pilot.ask('pilot.heartbeat'), { type: 'refused', body: { reason: 'stale_session' } });
    t.match(await pilot.ask('job.claim', { job: 'j9' }), {
      type: 'job.refused',
      body: { reason: 'unknown' },
    });
  });

  t.test('a pilot that speaks gRPC and one that speaks AMQP take from the same queue', async (t) => {
    const { node, connection, channel } = await open(t, rabbit);
    const pilot = await RawAmqpPilot.open(connection);
    await pilot.register();
    await node.createJob('j1');
    await hintOf(channel, 'j1');
    t.match(await pilot.ask('job.claim', { job: 'j1' }), { type: 'job.granted' });
    const { startPilot } = await import('../support/synthetic-pilot.js');
    const other = await startPilot(t, node, { name: 'p2' });
    await node.createJob('j2');
    t.match(await other.take('j2'), { job: 'j2', attempt: 1 });
    t.equal((await channel.checkQueue(jobsQueue('cpu'))).messageCount, 0);
  });

  t.test('while the broker is away nobody is called silent, and all goes on when it is back', async (t) => {
    const { node, url, connection } = await open(t, rabbit, {
      lease_seconds: 2,
      give_up_seconds: 20,
      margin_seconds: 1,
    });
    const pilot = await RawAmqpPilot.open(connection);
    await pilot.register();
    await rabbit.kill();
    await node.createJob('j1');
    await until('the job says what it waits for', async () => {
      const { remarks } = await node.ask('JobManager', 'job_status', { id: 'j1' });
      return /^waits for the broker: the broker is away since 20.*Z: /.test(String(remarks));
    });
    // Longer than a lease: that it takes to come back.
    await rabbit.start();
    const after = await rabbit.connect(url);
    t.teardown(() => after.close());
    const again = await RawAmqpPilot.open(after, 'p1', pilot.session);
    t.match(await again.ask('pilot.heartbeat'), { type: 'lease' });
    const types: string[] = [];
    for await (const { type } of node.context.runtime.store.readStream('wl_pilot-p1')) types.push(type);
    t.notOk(types.includes('PilotLost'), types.join());
    await until('the job is queued', async () => {
      await again.ask('pilot.heartbeat');
      return (await typesOf(node, 'j1')).includes('JobQueued');
    });
  });
});
