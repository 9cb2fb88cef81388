/** What one connection may ask for, and how all of them end. */

import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { unary } from '../../../src/node/serving/calls.js';
import { type GrpcServerOptions, startGrpcServer } from '../../../src/node/serving/grpc-server.js';
import { OPEN_TO_ALL } from '../../support/open-to-all.js';
import { until } from '../../support/until.js';

const PATH = '/test.Echo/say';

/** Answers with as many bytes as the request asks for, once `say` has resolved. */
async function start(
  t: Test,
  say: (call: { readonly over: AbortSignal }) => Promise<void>,
  limits: GrpcServerOptions['limits'] = {},
  logger = pino({ level: 'silent' }),
) {
  const text = (value: unknown) => Buffer.from('x'.repeat(Number(value)));
  const server = await startGrpcServer({
    listen: '127.0.0.1:0',
    logger,
    limits,
    packages: [],
    ...OPEN_TO_ALL,
    services: [
      {
        name: 'test.Echo',
        definition: {
          say: {
            path: PATH,
            requestStream: false,
            responseStream: false,
            requestSerialize: text,
            requestDeserialize: (bytes: Buffer) => bytes.toString(),
            responseSerialize: text,
            responseDeserialize: (bytes: Buffer) => bytes.length,
          },
        },
        access: { say: { roles: ['reader'] } },
        handlers: {
          say: unary(logger, async (size: string, _peer, call) => {
            await say(call);
            return Number(size);
          }),
        },
      },
    ],
  });
  t.teardown(() => server.stop(0));
  return server;
}

function call(client: Client, size: number) {
  let answered: (error: ServiceError | null) => void = () => undefined;
  const error = new Promise<ServiceError | null>((resolve) => {
    answered = resolve;
  });
  const underWay = client.makeUnaryRequest(
    PATH,
    (value: number) => Buffer.from(String(value)),
    (bytes) => bytes.length,
    size,
    (failure) => answered(failure),
  );
  return { error, cancel: () => underWay.cancel() };
}

function clientOf(t: Test, address: string): Client {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
  });
  t.teardown(() => client.close());
  return client;
}

function socketTo(t: Test, address: string, localAddress = '127.0.0.1'): Socket {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  socket.on('error', () => undefined);
  // Otherwise it would not notice its end.
  socket.resume();
  t.teardown(() => socket.destroy());
  return socket;
}

t.test('a call is told when its caller is gone, and is not answered', async (t) => {
  const seen: AbortSignal[] = [];
  const gone: string[] = [];
  const { address } = await start(t, async ({ over }) => {
    seen.push(over);
    if (!over.aborted) await once(over, 'abort');
    gone.push('gone');
  });
  const one = call(clientOf(t, address), 1);
  await until('it is under way', () => seen.length === 1);
  one.cancel();
  t.match(await one.error, { code: status.CANCELLED });
  await until('the handler knows', () => gone.length === 1);
});

t.test('a handler that ends with its caller is no fault that is told', async (t) => {
  const told: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void told.push(line) });
  let over: AbortSignal | undefined;
  const { address } = await start(
    t,
    async (call) => {
      over = call.over;
      await new Promise<never>((_, reject) => {
        call.over.addEventListener('abort', () => reject(call.over.reason));
      });
    },
    {},
    logger,
  );
  const one = call(clientOf(t, address), 1);
  await until('it is under way', () => over !== undefined);
  one.cancel();
  t.match(await one.error, { code: status.CANCELLED });
  await until('the handler knows', () => over?.aborted === true);
  await nextTurn();
  t.same(told, []);
});

t.test('stopping waits for calls as long as it may, and for nothing that only stays connected', async (t) => {
  const server = await start(t, async ({ over }) => void (await once(over, 'abort')));
  const idle = socketTo(t, server.address);
  await once(idle, 'connect');
  const endless = call(clientOf(t, server.address), 1);
  const other = clientOf(t, server.address);
  await new Promise<void>((resolve, reject) =>
    other.waitForReady(Date.now() + 10_000, (error) => (error === undefined ? resolve() : reject(error))),
  );
  const closed = once(idle, 'close');
  await server.stop(50);
  await closed;
  t.match(await endless.error, { code: status.UNAVAILABLE }, 'who is cut off did not cancel anything');
});

t.test(
  'a connection on which nothing is said is closed, and where all are taken the eldest of nobody gives way',
  async (t) => {
    const { address } = await start(t, async () => undefined, { quietMs: 500, most: 2 });
    const [first, second] = [socketTo(t, address), socketTo(t, address)];
    await Promise.all([once(first, 'connect'), once(second, 'connect')]);
    const third = socketTo(t, address);
    await once(first, 'close');
    t.notOk(second.closed || third.closed);
    await Promise.all([once(second, 'close'), once(third, 'close')]);
    t.equal(await call(clientOf(t, address), 1).error, null, 'there is room again');
  },
);

t.test('who was let in gets and keeps a place, from wherever others take them all', async (t) => {
  const { address } = await start(t, async () => undefined, { most: 4 });
  const first = clientOf(t, address);
  t.equal(await call(first, 1).error, null);
  const closed: string[] = [];
  const strangers = ['127.0.1.1', '127.0.1.2', '127.0.1.3'].map((from) => {
    const socket = socketTo(t, address, from);
    socket.once('close', () => closed.push(from));
    return socket;
  });
  await Promise.all(strangers.map((socket) => once(socket, 'connect')));
  const clients = [clientOf(t, address), clientOf(t, address), clientOf(t, address)];
  for (const client of clients) t.equal(await call(client, 1).error, null);
  await until('strangers gave way', () => closed.length === 3);
  const late = socketTo(t, address);
  await once(late, 'close');
  for (const client of [first, ...clients]) t.equal(await call(client, 1).error, null, 'and to none of them');
});

t.test('a peer that gives no sign of life is cut off, and one that does stays', async (t) => {
  const { address } = await start(t, async () => undefined, { askEveryMs: 100, answerWithinMs: 2_000 });
  const living = clientOf(t, address);
  t.equal(await call(living, 1).error, null);
  const channel = living.getChannel();
  const states: number[] = [];
  const watch = (): void =>
    channel.watchConnectivityState(channel.getConnectivityState(false), Number.POSITIVE_INFINITY, () =>
      states.push(channel.getConnectivityState(false)),
    );
  watch();
  // It begins as HTTP/2 does, with empty settings, and then says nothing more.
  const gone = socketTo(t, address);
  gone.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  gone.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  await once(gone, 'close');
  t.equal(await call(living, 1).error, null);
  t.same(states, [], 'on the connection of before');
});

t.test('answers that are not read are bounded, and told; who does not read them is cut off', async (t) => {
  const size = 1024 * 1024;
  let taken = 0;
  const count = async () => {
    taken += 1;
  };
  const { address } = await start(t, count, { unreadBytes: size, readWithinMs: 300 });
  const quick = clientOf(t, address);
  for (let n = 0; n < 4; n++) t.equal(await call(quick, size).error, null, 'who reads may go on');
  const slow = connectHttp2(`http://${address}`);
  slow.on('error', () => undefined);
  t.teardown(() => slow.destroy());
  const first = ask(slow, size);
  const [begun] = await once(first, 'response');
  t.equal(begun['grpc-status'], undefined, 'what comes first is answered, whatever its size');
  const second = ask(slow, size);
  const [refused] = await once(second, 'response');
  t.equal(refused['grpc-status'], String(status.RESOURCE_EXHAUSTED));
  t.match(
    decodeURI(String(refused['grpc-message'])),
    /1048576 bytes of answers are unread on this connection/,
  );
  t.equal(taken, 5, 'nobody worked for it');
  await once(slow, 'close');
  t.equal(await call(quick, size).error, null, 'nobody else notices');
});

/** A call of which nothing is read. */
function ask(session: ClientHttp2Session, size: number): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  const text = Buffer.from(String(size));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  stream.end(Buffer.concat([head, text]));
  return stream;
}
