/**
 * What a talent with many tasks makes others wait for: how long the longest other call takes while somebody asks for everything
 * or attaches (these calls are made where large answers are received, which takes its time as well: so it is told beside them how long
 * talent itself stood still), how much memory that costs, and what an order costs with many supervisors attached. One talent in a process of its
 * own; every figure beside the same one taken a moment before without that load.
 *
 *   npm run bench:many-tasks -- [TASKS] [SUPERVISORS]
 */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { PlotManagerClient } from '../src/systems/talent/wire/plot-manager-client.js';
import { loadProto, methodOf, serviceOf } from '../src/wire/proto.js';
import { line, median, whole } from './figures.js';
import { Part } from './part.js';

const [tasks = 20_000, supervisors = 1_000] = process.argv.slice(2).map(Number);
const IN_FLIGHT = 256;
const WORKER = 'worker-with-all';
const MIB = 1024 * 1024;
const STREAMS_OF_A_CLIENT = 500;
/** Callers of a load who were told to ask later. */
let refused = 0;
const service = serviceOf(loadProto('talent'), 'talent.PlotManager');
const statusAll = methodOf(service, 'plot_task_status_all');
const work = methodOf(service, 'supervisor_work');

const data = mkdtempSync(join(tmpdir(), 'owl-many-'));
const part = await Part.start('./server.js', { args: ['talent', data], profiled: true });
const client = new PlotManagerClient({ server: part.address, deadlineMs: 600_000 });
try {
  await orderMany();
  line(`${whole(tasks)} tasks wait`, '');
  const idle = await longestWait(pause(2_000));
  line('longest of other calls, idle', ms(idle));
  await under('while one plot_task_status_all is answered', () => askForAll(1));
  await under('while another one is', () => askForAll(1));
  await under('while 8 ask for it at once', () => askForAll(8));
  await under('while 100 ask for it and are gone at once', () => askAndGo(100));
  await under('while a supervisor attaches that all of them wait for', attachAll);
  await compareOrders();
} finally {
  client.close();
  await part.stop();
  rmSync(data, { recursive: true, force: true });
}

function orderOf(taskId: string, workerId: string) {
  return {
    task_id: taskId,
    worker_id: workerId,
    plot_config: {
      ksize: 32,
      threads: 2,
      buffer: 4000,
      cache1: '/mnt/ssd1/cache',
      dest: { type: 'nfs', path: '/mnt/plots' },
    },
  };
}

async function orderMany(): Promise<void> {
  let next = 0;
  const order = async () => {
    while (next < tasks) await client.create(orderOf(`task_${next++}`, WORKER));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, order));
}

/** Milliseconds of the longest of calls that are made one after the other meanwhile. */
async function longestWait(meanwhile: Promise<unknown>): Promise<number> {
  let over = false;
  const ended = meanwhile.finally(() => {
    over = true;
  });
  let longest = 0;
  while (!over) {
    const began = performance.now();
    await client.status({ task_id: 'task_0' });
    longest = Math.max(longest, performance.now() - began);
  }
  await ended;
  return longest;
}

async function under(what: string, load: () => Promise<unknown>): Promise<void> {
  refused = 0;
  const before = (await part.figures()).residentBytes;
  await part.standstill();
  const began = performance.now();
  const longest = await longestWait(load());
  const took = performance.now() - began;
  const { longestMs } = await part.standstill();
  const grown = ((await part.figures()).residentBytes - before) / MIB;
  line(
    `longest of other calls, ${what}`,
    ms(longest),
    `talent stood still for ${ms(longestMs)} at the most; it took ${ms(took)}; RSS ${grown.toFixed(0)} MiB more${refused === 0 ? '' : `; ${refused} refused`}`,
  );
}

/** Each on a connection of its own. The answer is not decoded here: that would stand this process still. */
async function askForAll(callers: number): Promise<void> {
  await Promise.all(Array.from({ length: callers }, () => rawAll((_call, answered) => answered)));
}

async function askAndGo(callers: number): Promise<void> {
  const gone = Array.from({ length: callers }, () =>
    rawAll(async (call, answered) => {
      await pause(1);
      call.cancel();
      await answered.catch(() => undefined);
    }),
  );
  await Promise.all(gone);
}

async function rawAll(
  follow: (call: { cancel(): void }, answered: Promise<void>) => Promise<void>,
): Promise<void> {
  const raw = ownConnection();
  let settle: (error: ServiceError | null) => void = () => undefined;
  const answered = new Promise<void>((resolve, reject) => {
    settle = (error) => {
      // Beyond a few at once it is to be refused.
      if (error?.code === status.RESOURCE_EXHAUSTED) refused += 1;
      if (error === null || error.code === status.RESOURCE_EXHAUSTED) resolve();
      else reject(error);
    };
  });
  const call = raw.makeUnaryRequest(
    statusAll.path,
    (request: object) => statusAll.requestSerialize(request),
    (bytes: Buffer) => bytes.length,
    {},
    (error) => settle(error),
  );
  await follow(call, answered);
  raw.close();
}

function ownConnection(): Client {
  return new Client(part.address, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
  });
}

/** Neither is its work decoded here. READY is the last message, and no longer than two bytes. */
async function attachAll(): Promise<void> {
  const session = { worker_id: WORKER, session_id: 'all' };
  await client.attach({ ...session, lease_seconds: 3600 });
  const raw = ownConnection();
  const stream = workStream(raw, session);
  for await (const length of stream) if (length <= 2) break;
  raw.close();
}

function workStream(of: Client, session: object) {
  return of.makeServerStreamRequest(
    work.path,
    (request: object) => work.requestSerialize(request),
    (bytes: Buffer) => bytes.length,
    session,
  );
}

/** One after the other: before and while so many supervisors have their work stream open. */
async function compareOrders(): Promise<void> {
  const few = await ordersTake('with-none');
  const clients = Array.from({ length: Math.ceil(supervisors / STREAMS_OF_A_CLIENT) }, ownConnection);
  await Promise.all(Array.from({ length: supervisors }, (_, n) => openWork(clients, n)));
  const many = await ordersTake('with-all');
  for (const each of clients) each.close();
  await pause(1_000);
  const after = await ordersTake('with-none-again');
  const told = [few, many, after].map(ms).join(', ');
  line(
    `an order, ${whole(supervisors)} supervisors attached, to none`,
    (many / Math.min(few, after)).toFixed(2),
    told,
  );
}

/** Resolves once everything that waits for it has been told. */
async function openWork(clients: readonly Client[], n: number): Promise<void> {
  const session = { worker_id: `machine-${n}`, session_id: 'one' };
  await client.attach({ ...session, lease_seconds: 3600 });
  const own = clients[n % clients.length] ?? ownConnection();
  const stream = workStream(own, session);
  stream.on('error', () => undefined);
  await once(stream, 'data');
}

async function ordersTake(name: string): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < 300; n++) {
    const began = performance.now();
    await client.create(orderOf(`${name}-${n}`, 'machine-0'));
    took.push(performance.now() - began);
  }
  return median(took);
}

function ms(milliseconds: number): string {
  return `${milliseconds.toFixed(1)} ms`;
}
