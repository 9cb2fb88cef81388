/** How a real RabbitMQ stands is told to whoever asks, away or not; hints that it lays with the dead stay there, and three end their job. */

import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Channel, GetMessage } from 'amqplib';
import t, { type Test } from 'tap';
import {
  EVENTS_DEAD,
  EXCHANGE,
  JOBS_DEAD,
  JOBS_DEATHS,
  jobsQueue,
  PILOT_EVENTS,
  type QueueType,
} from '../../../../src/systems/workload/wire/amqp/topology.js';
import { askAt } from '../../../node/serving/http/http-node.js';
import { startNode as startStore } from '../../../support/eventstoredb-stores.js';
import { type RabbitMq, startRabbitMq, withoutRabbitMq } from '../../../support/rabbitmq.js';
import { owl } from '../../../support/terminal-double.js';
import { until } from '../../../support/until.js';
import { RawAmqpPilot } from '../support/raw-amqp-pilot.js';
import { startWorkload, type WorkloadNode, type WorkloadNodeOptions } from '../support/workload-node.js';

const CPU = jobsQueue('cpu');

t.setTimeout(240_000);

/** A pilot has room, so that hints are sent again. */
async function open(
  t: Test,
  rabbit: RabbitMq,
  type: QueueType,
  stores: readonly WorkloadNodeOptions[] = [{}],
) {
  const url = rabbit.url();
  const config = {
    ...{ broker: url, broker_password_file: rabbit.passwordFile, queue_type: type, requeue_seconds: 1 },
  };
  const nodes: WorkloadNode[] = [];
  for (const store of stores) nodes.push(await startWorkload(t, { ...store, config }));
  const connection = await rabbit.connect(url);
  t.teardown(() => connection.close().catch(() => undefined));
  const pilot = await RawAmqpPilot.open(connection, 'p1', randomUUID(), type);
  t.match(await pilot.register(), { type: 'pilot.welcome' });
  const [node] = nodes;
  if (node === undefined) throw new Error('there is no node');
  return { node, url, pilot, channel: await connection.createChannel() };
}

/** The next that lies in a queue; others than of a job are left where they are. */
async function next(channel: Channel, queue: string): Promise<GetMessage> {
  let message: GetMessage | false = false;
  await until(`something lies in ${queue}`, async () => {
    message = await channel.get(queue);
    return message !== false;
  });
  if (message === false) throw new Error('nothing was there');
  return message;
}

const eventsOf = async (node: WorkloadNode, uid: string) =>
  (await node.eventsOf(uid)).filter(({ type }) => type !== 'JobRequeued');
const deathsOf = async (node: WorkloadNode, uid: string) =>
  (await eventsOf(node, uid)).filter(({ type }) => type === 'JobHintDied').length;

/** As whoever looks at the node of a test runs it. */
const commandsOf = (node: WorkloadNode) => (args: string[]) =>
  owl(args, { env: { OWL_SERVER: node.node.address, OWL_DATA: node.data }, cwd: node.data });

t.test('without a broker one sentence says so, and how to have one', async (t) => {
  const node = await startWorkload(t);
  const { code, stdout } = await commandsOf(node)(['workload', 'broker', 'status']);
  t.equal(code, 0);
  t.match(stdout, /^no broker is configured, .* set workload\.broker .*workload\.broker_password_file\n$/);
  t.match((await node.http('GET', '/broker')).body, { configured: false });
  t.notMatch(await node.get('/metrics'), /^workload_broker_connected \d/m);
  t.notMatch((await commandsOf(node)(['workload', 'status'])).stdout, /broker/);
});

t.test('a broker', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('how it stands: queues, who hears, dead letters, in each form that it is asked for', async (t) => {
    const { node, channel, url } = await open(t, rabbit, 'classic');
    const run = commandsOf(node);
    const poison = { messageId: 'm', type: 'pilot.heartbeat', headers: { 'owl-v': 1 } };
    channel.publish(EXCHANGE, PILOT_EVENTS, Buffer.from('{"pilot":'), poison);
    channel.publish(EXCHANGE, PILOT_EVENTS, Buffer.from(''), poison);
    await until('both are dead', async () => (await channel.checkQueue(EVENTS_DEAD)).messageCount === 2);
    const status = await node.ask('Broker', 'broker_status', {});
    const here = node.node.workerId;
    t.match(status, {
      ...{ configured: true, address: url, connected: true, version: /^RabbitMQ \d/, queue_type: 'classic' },
      ...{ node: here, heard_by: here },
      buried: [
        { queue: EVENTS_DEAD, reason: 'size', count: 1 },
        { queue: EVENTS_DEAD, reason: 'not_json', count: 1 },
      ],
      queues: [
        { name: CPU, messages: 0, consumers: 0, unacknowledged: 0 },
        { name: 'owl.jobs.gpu', messages: 0 },
        { name: PILOT_EVENTS, messages: 0, consumers: 1, unacknowledged: 0 },
        { name: JOBS_DEAD, messages: 0, dead: true },
        { name: EVENTS_DEAD, messages: 2, dead: true },
      ],
    });
    t.match((await node.http('GET', '/broker')).body, { configured: true, connected: true, heard_by: here });
    const json = (await run(['workload', 'broker', 'status', '--json'])).stdout;
    t.match(JSON.parse(json), { address: url, connected: true });
    const { code, stdout } = await run(['workload', 'broker', 'status']);
    t.equal(code, 0);
    t.match(stdout, /^connected +yes, since 20/m);
    t.match(stdout, /^owl\.events\.dead +2 /m);
    t.match((await run(['workload', 'status'])).stdout, /^broker +connected to amqp:/m);
    const metrics = await node.get('/metrics');
    t.match(metrics, /^workload_broker_connected 1$/m);
    t.match(metrics, /^workload_broker_messages\{queue="owl\.pilot\.events"\} 0$/m);
    t.match(metrics, /^workload_broker_dead_messages\{queue="owl\.events\.dead"\} 2$/m);
    t.match(metrics, /^workload_broker_buried_total\{queue="owl\.events\.dead",reason="not_json"\} 1$/m);
    await channel.deleteQueue(EVENTS_DEAD);
    t.match(await node.ask('Broker', 'broker_status', {}), {
      queues: [{}, {}, {}, {}, { name: EVENTS_DEAD, problem: 'it is not there' }],
    });
    t.notMatch(JSON.stringify([status, json, stdout]), /secret/);
    rabbit.freeze();
    t.teardown(() => rabbit.thaw());
    t.match(await node.ask('Broker', 'broker_status', {}), {
      queues: [{ name: CPU, problem: 'it has not answered within 2 s' }],
    });
    rabbit.thaw();
  });

  t.test('a job whose hints are rejected three times is poison, on two nodes once', async (t) => {
    const store = (await startStore(t)).connectionString;
    const { node, channel } = await open(t, rabbit, 'classic', [{ store }, { store }]);
    await node.createJob('j1');
    for (const death of [1, 2, 3]) {
      channel.nack(await next(channel, CPU), false, false);
      await until(`death ${death} is stored`, async () => (await deathsOf(node, 'j1')) === death);
    }
    const events = await eventsOf(node, 'j1');
    t.strictSame(
      events.map(({ type }) => type),
      ['JobCreated', 'JobQueued', 'JobHintDied', 'JobHintDied', 'JobHintDied', 'JobFailed'],
    );
    t.match(events.at(-1)?.data, { class: 'poison', detail: /died 3 times.*: rejected$/ });
    t.match(events.at(2)?.data, { queue: CPU, reason: 'rejected', deaths: 1 });
    t.equal((await channel.checkQueue(JOBS_DEAD)).messageCount, 3, 'they lie where people look');
    await until('all copies are taken', async () => {
      const { messageCount, consumerCount } = await channel.checkQueue(JOBS_DEATHS);
      return messageCount === 0 && consumerCount === 2;
    });
    t.match(await node.ask('JobManager', 'job_status', { id: 'j1' }), {
      ...{ state: 'failed', failure_class: 'poison', remarks: /died 3 times/ },
    });
    await node.ask('JobManager', 'job_retry', { id: 'j1' });
    channel.nack(await next(channel, CPU), false, false);
    await until('the next one is stored', async () => (await deathsOf(node, 'j1')) === 4);
    t.match((await eventsOf(node, 'j1')).at(-1)?.data, { deaths: 1 }, 'a retry begins anew');
  });

  t.test('a death that is told again counts once, and one of nobody or of before for nobody', async (t) => {
    const { node, channel } = await open(t, rabbit, 'classic');
    await node.createJob('j1');
    channel.nack(await next(channel, CPU), false, false);
    await until('the death is stored', async () => (await deathsOf(node, 'j1')) === 1);
    const dead = await next(channel, JOBS_DEAD);
    const told = (content: Buffer | string) =>
      channel.sendToQueue(JOBS_DEATHS, Buffer.from(content), dead.properties);
    for (let n = 0; n < 3; n++) told(dead.content);
    told('not JSON');
    told(JSON.stringify({ job: 'nobody', cur_retry: 0 }));
    told(JSON.stringify({ job: 'j1', cur_retry: 7 }));
    await until('all of it is taken', async () => {
      await channel.recover();
      return (await channel.checkQueue(JOBS_DEATHS)).messageCount === 0;
    });
    // Behind them, so they were looked at.
    channel.nack(await next(channel, CPU), false, false);
    await until('the next death is stored', async () => (await deathsOf(node, 'j1')) > 1);
    t.match((await eventsOf(node, 'j1')).at(-1), { type: 'JobHintDied', data: { deaths: 2 } });
    t.notOk(node.log.messages('error').length > 0, node.log.messages('error').join());
  });

  t.test(
    'who lets go of a hint again and again brings it to the delivery limit of a quorum queue',
    async (t) => {
      const { node, channel } = await open(t, rabbit, 'quorum');
      await node.createJob('j1');
      await until('it has failed', async () => {
        const message = await channel.get(CPU);
        if (message !== false) channel.nack(message, false, true);
        return (await eventsOf(node, 'j1')).at(-1)?.type === 'JobFailed';
      });
      t.equal(await deathsOf(node, 'j1'), 3);
      t.match((await eventsOf(node, 'j1')).at(-1)?.data, { class: 'poison', detail: /: delivery_limit$/ });
      t.equal((await channel.checkQueue(JOBS_DEAD)).messageCount, 3);
    },
  );

  t.test(
    'while the store is away nothing is acknowledged and no more is taken; then all is answered',
    async (t) => {
      const store = await startStore(t);
      const stores = [{ store: store.connectionString }];
      const { node, pilot, channel } = await open(t, rabbit, 'classic', stores);
      await node.createJob('j1');
      await next(channel, CPU);
      store.faults.leader = 'electing';
      const claims = Array.from({ length: 250 }, () => randomUUID());
      await Promise.all(claims.map((id) => pilot.send('job.claim', { job: 'j1', cur_retry: 0 }, id)));
      const taken = async (messages: number, unacknowledged: number) =>
        await until(`${messages} wait and ${unacknowledged} are taken`, async () => {
          const { queues } = await node.ask('Broker', 'broker_status', {});
          const wanted = { name: PILOT_EVENTS, messages, unacknowledged };
          return (
            Array.isArray(queues) && queues.some((queue) => isDeepStrictEqual({ ...queue, ...wanted }, queue))
          );
        });
      await taken(50, 200);
      t.strictSame(
        claims.filter((id) => pilot.answersTo(id).length > 0),
        [],
      );
      store.faults.leader = 'here';
      for (const id of claims) await pilot.answerTo(id);
      const granted = claims.filter((id) => pilot.answersTo(id).some(({ type }) => type === 'job.granted'));
      t.equal(granted.length, 1);
      t.equal((await node.eventsOf('j1')).filter(({ type }) => type === 'JobClaimed').length, 1);
      await taken(0, 0);
      const types: string[] = [];
      for await (const { type } of node.context.runtime.store.readStream('wl_pilot-p1')) types.push(type);
      t.notOk(types.includes('PilotLost'), types.join());
    },
  );

  t.test('while it is away the node is not ready and says why, and serves', async (t) => {
    const { node } = await open(t, rabbit, 'classic');
    const run = commandsOf(node);
    const ready = async () => {
      const { status } = await askAt(node.node.httpAddress ?? '', 'GET', '/readyz');
      return status === 200;
    };
    await until('it is ready', ready);
    await rabbit.kill();
    await until('it is not ready', async () => !(await ready()));
    t.match(JSON.parse((await run(['status', '--json'])).stdout), {
      not_serving: /^the broker is away since 20.*: /,
    });
    t.match((await run(['status'])).stdout, /^not serving +the broker is away since/m);
    const metrics = await node.get('/metrics');
    t.match(metrics, /^owl_serving 0$/m);
    t.match(metrics, /^workload_broker_connected 0$/m);
    await until('it says how often it was tried', async () => {
      const { code, stdout } = await run(['workload', 'broker', 'status']);
      return code === 0 && /^connected +no, tried [1-9]\d* times?: the broker is away/m.test(stdout);
    });
    await node.createJob('j1');
    t.match(await node.ask('JobManager', 'job_status', { id: 'j1' }), { state: 'created' }, 'it serves');
    await rabbit.start();
    await until('it is ready again', ready);
    t.match((await run(['workload', 'broker', 'status'])).stdout, /^connected +yes/m);
  });
});
