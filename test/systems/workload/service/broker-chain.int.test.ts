/** Jobs through a real broker from end to end: killed, with every message three times and shuffled, and with queues lost by hand. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  EVENTS_DEAD,
  JOBS_DEAD,
  jobsQueue,
  PILOT_EVENTS,
  pilotQueue,
} from '../../../../src/systems/workload/wire/amqp/topology.js';
import { type RabbitMq, startRabbitMq, withoutRabbitMq } from '../../../support/rabbitmq.js';
import { until } from '../../../support/until.js';
import { eventsIn } from '../../../torture/checker/sqlite-files.js';
import { isReadable } from '../../../torture/checker/stored-event.js';
import { Violations } from '../../../torture/checker/violations.js';
import { checkWorkload } from '../../../torture/checker/workload/check-workload.js';
import { PilotOverBroker } from '../support/pilot-over-broker.js';
import { Shuffler } from '../support/shuffler.js';
import type { WorkloadNode } from '../support/workload-node.js';
import { startWorkloadOverBroker } from '../support/workload-over-broker.js';

/** When the broker is killed. What decides is a busy machine; `OWL_JOBS_UNDER_WAY=1000` is what the promise is about. */
const UNDER_WAY = Number(process.env['OWL_JOBS_UNDER_WAY'] ?? 200);
const LIFE = ['JobCreated', 'JobQueued', 'JobClaimed', 'JobStarted', 'JobFinished'];

t.setTimeout(240_000);

t.test('jobs through a broker', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);

  t.test('each message three times, shuffled, changes nothing', async (t) => {
    // Nothing is hinted at once more by the node itself.
    const { node, url, place } = await nodeAt(t, rabbit, 120);
    const pilots = await pilotsOf(t, node, place, 2);
    const queues = [jobsQueue('cpu'), PILOT_EVENTS, ...['p0', 'p1'].map(pilotQueue)];
    const shuffler = await Shuffler.start(t, rabbit, url, queues);
    await create(node, 30);
    await untilFinished(pilots, 30);
    await until('all copies have come', () => shuffler.waiting === 0, 120_000);
    await untilRead(rabbit, url);
    await checked(t, node, 30);
    t.ok(shuffler.taken >= 200, 'hints, claims, reports and answers went through it');
    for (const pilot of pilots) t.strictSame(pilot.strange, []);
  });

  t.test('queues that are emptied and deleted by hand', async (t) => {
    const { node, url, place } = await nodeAt(t, rabbit);
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const pilots = await pilotsOf(t, node, place, 1, 4, () => gate);
    const other = await rabbit.connect(url);
    t.teardown(() => other.close());
    const channel = await other.createChannel();
    await create(node, 30);
    // Four of them are held up; the others wait in the queue.
    await until('they are queued', async () => {
      const { messageCount } = await channel.checkQueue(jobsQueue('cpu'));
      return messageCount === 26;
    });
    await channel.purgeQueue(jobsQueue('cpu'));
    for (const queue of [jobsQueue('cpu'), PILOT_EVENTS, pilotQueue('p0')]) await channel.deleteQueue(queue);
    goOn();
    await untilFinished(pilots, 30);
    await checked(t, node, 30);
  });

  await killed(t, rabbit);
});

/** The last one: the broker is killed. */
async function killed(t: Test, rabbit: RabbitMq): Promise<void> {
  await t.test('a broker that is killed with many jobs under way', async (t) => {
    const { node, url, place } = await nodeAt(t, rabbit);
    const pilots = await pilotsOf(t, node, place, 4, 16);
    await create(node, UNDER_WAY);
    await untilFinished(pilots, UNDER_WAY / 5);
    await rabbit.kill();
    await rabbit.start();
    await untilFinished(pilots, UNDER_WAY);
    await untilRead(rabbit, url);
    const types = await checked(t, node, UNDER_WAY);
    t.notOk(types.has('PilotLost'), 'nobody was called silent');
    t.notOk(types.has('JobPilotLost'));
  });
}

const nodeAt = (t: Test, rabbit: RabbitMq, requeueSeconds = 2) =>
  startWorkloadOverBroker(t, rabbit, { requeue_seconds: requeueSeconds });

function pilotsOf(
  t: Test,
  { log }: WorkloadNode,
  place: { readonly url: string; readonly passwordFile: string },
  count: number,
  slots = 4,
  work: () => Promise<void> = async () => undefined,
): Promise<PilotOverBroker[]> {
  const names = Array.from({ length: count }, (_, n) => `p${n}`);
  return Promise.all(
    names.map((name) => PilotOverBroker.start(t, { place, name, slots, work, logger: log.logger })),
  );
}

async function create(node: WorkloadNode, count: number): Promise<void> {
  const uids = Array.from({ length: count }, (_, n) => `j${n}`);
  // Their files are of no dataset, as those of jobs that were ordered alone.
  const of = { dataset_uid: '', idx: 0 };
  const log = { ...of, uid: 'l0', file_name: 'a.j0.log' };
  const outputs = [{ ...of, uid: 'o0', file_name: 'a.j0.txt' }];
  await Promise.all(uids.map((uid) => node.createJob(uid, { outputs, log })));
}

async function untilFinished(pilots: readonly PilotOverBroker[], count: number): Promise<void> {
  const done = () => pilots.reduce((sum, { finished }) => sum + finished.size, 0);
  await until(`${count} have finished`, () => done() >= count, 120_000);
}

/** Nothing of what was told is left, and nothing was laid with the dead. */
async function untilRead(rabbit: RabbitMq, url: string): Promise<void> {
  const model = await rabbit.connect(url);
  const channel = await model.createChannel();
  for (const queue of [jobsQueue('cpu'), PILOT_EVENTS])
    await until(`${queue} is empty`, async () => (await channel.checkQueue(queue)).messageCount === 0);
  for (const queue of [JOBS_DEAD, EVENTS_DEAD]) {
    const { messageCount } = await channel.checkQueue(queue);
    if (messageCount > 0) throw new Error(`${messageCount} messages are in ${queue}`);
  }
  await model.close();
}

/** The whole log. @returns the types in it */
async function checked(t: Test, node: WorkloadNode, jobs: number): Promise<Set<string>> {
  await node.stop();
  const events = [...eventsIn(join(node.data, 'owl.db'))];
  const violations = new Violations();
  await checkWorkload(events, violations);
  t.strictSame(violations.lines(), []);
  const lives = new Map<string, string[]>();
  for (const event of events)
    if (isReadable(event) && event.stream.startsWith('wl_job-') && event.type !== 'JobRequeued')
      lives.set(event.stream, [...(lives.get(event.stream) ?? []), event.type]);
  t.equal(lives.size, jobs);
  const other = [...lives].filter(([, types]) => types.join() !== LIFE.join());
  t.strictSame(other, [], 'each has one life');
  return new Set(events.flatMap((event) => (isReadable(event) ? event.type : [])));
}
