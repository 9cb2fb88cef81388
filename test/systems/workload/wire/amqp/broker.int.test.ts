import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { systemClock } from '../../../../../src/base/clock.js';
import { Broker } from '../../../../../src/systems/workload/wire/amqp/broker.js';
import type {
  Delivery,
  OpenedChannel,
} from '../../../../../src/systems/workload/wire/amqp/broker-channel.js';
import {
  declarePilotQueue,
  declareShared,
  EVENTS_DEAD,
  jobsQueue,
  PILOT_EVENTS,
  pilotQueue,
} from '../../../../../src/systems/workload/wire/amqp/topology.js';
import { type RabbitMq, startRabbitMq, withoutRabbitMq } from '../../../../support/rabbitmq.js';
import { testDirectory } from '../../../../support/test-directory.js';
import { until } from '../../../../support/until.js';

const logger = pino({ level: 'silent' });
const CPU = jobsQueue('cpu');
const hint = (job: string) => ({ type: 'job', messageId: job, body: { job } });

function open(t: Test, url: string, passwordFile: string): Broker {
  const broker = new Broker({ ...{ url, passwordFile, name: 'test', clock: systemClock, logger } });
  t.teardown(() => broker.close());
  broker.start();
  return broker;
}

const declared = (opened: OpenedChannel) => declareShared(opened.raw, 'classic', ['cpu', 'gpu']);

t.test('a broker', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('what is published is confirmed, delivered, and delivered again until it is settled', async (t) => {
    const broker = open(t, rabbit.url(), rabbit.passwordFile);
    const got: Delivery[] = [];
    const channel = broker.channel({
      name: 'jobs',
      begin: async (opened) => {
        await declared(opened);
        await opened.consume(CPU, 2, (delivery) => got.push(delivery));
      },
    });
    await channel.ready(AbortSignal.timeout(30_000));
    for (const job of ['a', 'b', 'c']) await channel.publish(CPU, hint(job));
    await until('two are there', () => got.length === 2);
    got[0]?.ack();
    got[0]?.release();
    await until('the third one is there', () => got.length === 3);
    got[1]?.release();
    await until('the second one comes again', () => got.length === 4);
    t.strictSame(
      got.map(({ message }) => String(message.properties.messageId)),
      ['a', 'b', 'c', 'b'],
    );
  });

  t.test('a queue that is deleted is there again, and so is its consumer', async (t) => {
    const url = rabbit.url();
    const broker = open(t, url, rabbit.passwordFile);
    const got: Delivery[] = [];
    const channel = broker.channel({
      name: 'jobs',
      begin: async (opened) => {
        await declared(opened);
        await opened.consume(CPU, 10, (delivery) => got.push(delivery));
      },
    });
    await channel.ready(AbortSignal.timeout(30_000));
    const other = await rabbit.connect(url);
    t.teardown(() => other.close());
    const before = channel.opened;
    await (await other.createChannel()).deleteQueue(CPU);
    await until('all is declared anew', () => channel.opened !== undefined && channel.opened !== before);
    await channel.publish(CPU, hint('a'));
    await until('it is there', () => got.length === 1);
    got[0]?.ack();
    // The queue of a pilot is nobody's to begin with.
    await channel.publish(pilotQueue('p1'), hint('b'), (raw) => declarePilotQueue(raw, 'p1'));
    await t.rejects(channel.publish(pilotQueue('p2'), hint('b')), { name: 'BrokerUnavailableError' });
  });

  t.test('what is rejected lies with the dead, and says where it was', async (t) => {
    const broker = open(t, rabbit.url(), rabbit.passwordFile);
    const channel = broker.channel({ name: 'events', begin: declared });
    await channel.ready(AbortSignal.timeout(30_000));
    await channel.publish(PILOT_EVENTS, hint('a'));
    (await channel.opened?.get(PILOT_EVENTS))?.reject();
    let dead: Delivery | undefined;
    await until('it is dead', async () => {
      dead = await channel.opened?.get(EVENTS_DEAD);
      return dead !== undefined;
    });
    const [death] = dead?.message.properties.headers?.['x-death'] ?? [];
    t.match(death, { reason: 'rejected', queue: PILOT_EVENTS });
  });

  t.test('a queue that is there with other properties is named, with what to do', async (t) => {
    const url = rabbit.url();
    const other = await rabbit.connect(url);
    t.teardown(() => other.close());
    const raw = await other.createChannel();
    await raw.assertQueue(CPU, { durable: true });
    const broker = open(t, url, rabbit.passwordFile);
    const channel = broker.channel({ name: 'jobs', begin: declared });
    await until('it says so', () => /other properties/.test(channel.reason));
    t.match(channel.reason, /^queue owl\.jobs\.cpu is at the broker.*PRECONDITION.*delete it/);
    await raw.deleteQueue(CPU);
    await channel.ready(AbortSignal.timeout(30_000));
    t.ok(channel.opened?.isOpen, 'and once it is gone all goes on');
  });

  t.test('the wrong password is said with the key to look at', async (t) => {
    const file = join(testDirectory(t), 'password');
    const broker = open(t, rabbit.url(), file);
    await until('the file is missed', () => /can't be read/.test(broker.now.reason ?? ''));
    writeFileSync(file, 'wrong\n');
    await until('the broker refuses', () => /ACCESS.REFUSED/.test(broker.now.reason ?? ''));
    t.match(broker.now.reason, /workload\.broker_password_file/);
    t.notMatch(broker.now.reason, /wrong/);
  });

  await killed(t, rabbit);
});

/** The last one: it is killed. */
async function killed(t: Test, rabbit: RabbitMq): Promise<void> {
  await t.test('a broker that is killed and comes again finds all going on', async (t) => {
    const broker = open(t, rabbit.url(), rabbit.passwordFile);
    let ended = 0;
    const channel = broker.channel({
      ...{ name: 'jobs', begin: declared },
      ended: () => {
        ended += 1;
      },
    });
    await channel.ready(AbortSignal.timeout(30_000));
    await channel.publish(CPU, hint('a'));
    await rabbit.kill();
    await until('it is missed', () => !broker.now.isConnected);
    t.equal(ended, 1);
    await t.rejects(channel.publish(CPU, hint('b')), { name: 'BrokerUnavailableError' });
    await rabbit.start();
    await channel.ready(AbortSignal.timeout(60_000));
    const kept = await channel.opened?.get(CPU);
    t.equal(kept?.message.properties.messageId, 'a', 'what it has confirmed is there');
    rabbit.freeze();
    t.teardown(() => rabbit.thaw());
    await broker.close();
    t.pass('nobody waits for one that does not answer');
  });
}
