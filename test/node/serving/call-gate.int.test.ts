/** What strangers can make a gRPC server hold: half requests, denied ones, health, and connections. */

import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect } from 'node:net';
import { status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { Access, type AccessMode } from '../../../src/node/access/access.js';
import { Denials } from '../../../src/node/access/denials.js';
import { KnownCallers } from '../../../src/node/access/known-callers.js';
import { unary } from '../../../src/node/serving/calls.js';
import { type GrpcServerOptions, startGrpcServer } from '../../../src/node/serving/grpc-server.js';
import { loadProto } from '../../../src/wire/proto.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until } from '../../support/until.js';

const SAY = '/test.Echo/say';
const HEALTH = '/grpc.health.v1.Health/Check';
const WATCH = '/grpc.health.v1.Health/Watch';
/** Requests that are there. */
const TEXT = Buffer.from([0, 0, 0, 0, 1, 65]);
const EMPTY = Buffer.alloc(5);
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
/** list_services, as a message. */
const LIST = Buffer.from([0, 0, 0, 0, 3, 0x3a, 1, 42]);

async function start(t: Test, mode: AccessMode, limits: GrpcServerOptions['limits'] = {}) {
  const { logger } = logLines();
  const clock = new ManualClock();
  const denials = new Denials({ clock, logger, record: async () => undefined });
  const known = new KnownCallers(t.testdir({}), logger);
  const bytes = (value: unknown) => Buffer.from(String(value));
  const server = await startGrpcServer({
    ...{ listen: '127.0.0.1:0', packages: [loadProto('runtime')], clock, logger, limits },
    access: new Access({ mode, known, denials }),
    services: [
      {
        name: 'test.Echo',
        definition: {
          say: {
            ...{ path: SAY, requestStream: false, responseStream: false },
            ...{ requestSerialize: bytes, responseSerialize: bytes },
            ...{ requestDeserialize: String, responseDeserialize: String },
          },
        },
        access: { say: { roles: ['reader'] } },
        handlers: { say: unary(logger, async (text: string) => text) },
      },
    ],
  });
  t.teardown(() => server.stop(0));
  const session = (): ClientHttp2Session => {
    const opened = connectHttp2(`http://${server.address}`);
    opened.on('error', () => undefined);
    t.teardown(() => opened.destroy());
    return opened;
  };
  /** So many looks at what is not there yet. */
  const looks = async (times: number) => {
    for (let n = 0; n < times; n++) {
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { address: server.address, denials, session, looks };
}

function open(session: ClientHttp2Session, path: string, more: IncomingHttpHeaders = {}): ClientHttp2Stream {
  const stream = session.request({
    ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...more },
  });
  stream.on('error', () => undefined);
  stream.resume();
  return stream;
}

/** The beginning of a message of so many bytes. */
function half(bytes: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes, 1);
  return Buffer.concat([head, Buffer.alloc(bytes - 1)]);
}

async function statusOf(stream: ClientHttp2Stream): Promise<number> {
  const [headers] = await once(stream, 'response');
  if (headers['grpc-status'] !== undefined) return Number(headers['grpc-status']);
  const [trailers] = await once(stream, 'trailers');
  return Number(trailers['grpc-status']);
}

t.test('who may not ask is told so before anything of a message has come', async (t) => {
  const { session, denials } = await start(t, 'required');
  t.equal(await statusOf(open(session(), SAY)), status.UNAUTHENTICATED);
  t.same(denials.all, [{ kind: 'unauthenticated', operation: SAY, count: 1 }], 'and that counts once');
});

t.test('who leaves calls half open that were denied is cut off, who ends them stays', async (t) => {
  const { session } = await start(t, 'required');
  const [stranger, other] = [session(), session()];
  const cut = once(stranger, 'close');
  for (let n = 0; n < 100; n++) open(stranger, SAY);
  await cut;
  for (let n = 0; n < 110; n++) {
    const call = open(other, SAY);
    call.end(TEXT);
    t.equal(await statusOf(call), status.UNAUTHENTICATED);
  }
});

t.test('a request that is begun has to be there in time; one that is there may take its time', async (t) => {
  const { session, looks } = await start(t, 'open');
  const [slow, quick] = [session(), session()];
  const begun = open(slow, SAY);
  begun.write(half(1_000));
  // Behind it, so that what was begun has come.
  open(slow, SAY).end(TEXT);
  const watching = open(quick, WATCH);
  watching.end(EMPTY);
  await once(watching, 'data');
  const whole = open(slow, SAY);
  whole.end(TEXT);
  t.equal(await statusOf(whole), status.OK);
  await looks(30);
  t.notOk(slow.destroyed);
  const cut = once(slow, 'close');
  await looks(1);
  await cut;
  const last = open(quick, SAY);
  last.end(TEXT);
  t.equal(await statusOf(last), status.OK, 'who only listens stays');
});

t.test('of what is everybody’s only so much is begun at once, on a connection and at all', async (t) => {
  const { session } = await start(t, 'required');
  const first = session();
  for (let n = 0; n < 16; n++) open(first, HEALTH).write(half(1_000));
  t.equal(await statusOf(open(first, HEALTH)), status.RESOURCE_EXHAUSTED);
  const others = [session(), session(), session()];
  for (const other of others) for (let n = 0; n < 16; n++) open(other, HEALTH).write(half(1_000));
  const cut = once(first, 'close');
  await until('the eldest gives way', async () => {
    const one = open(session(), HEALTH);
    one.end(EMPTY);
    t.equal(await statusOf(one), status.OK, 'who says all is answered');
    return first.destroyed;
  });
  await cut;
  t.notOk(others.some(({ destroyed }) => destroyed));
});

t.test('a caller who goes before all of its request is there takes nothing along', async (t) => {
  const { session } = await start(t, 'required');
  const client = session();
  for (let n = 0; n < 20; n++) {
    const call = open(client, HEALTH);
    call.write(half(1_000));
    call.close();
    await once(call, 'close');
  }
  const last = open(client, HEALTH);
  last.end(EMPTY);
  t.equal(await statusOf(last), status.OK);
});

t.test(
  'what ends before it was there counts as long as its peer leaves it open, and no longer than others',
  async (t) => {
    const { session, looks } = await start(t, 'required');
    const stranger = session();
    for (let n = 0; n < 16; n++) {
      const call = open(stranger, HEALTH, { 'grpc-timeout': '1m' });
      call.write(half(1_000));
      t.equal(await statusOf(call), status.DEADLINE_EXCEEDED);
    }
    t.equal(await statusOf(open(stranger, HEALTH)), status.RESOURCE_EXHAUSTED);
    const cut = once(stranger, 'close');
    await looks(31);
    await cut;
  },
);

t.test('a stream that needs no credentials ends in its time, and leaves its connection alone', async (t) => {
  const { session, looks } = await start(t, 'required', { watchSeconds: 60 });
  const client = session();
  const reflecting = open(client, REFLECTION);
  reflecting.write(LIST);
  await once(reflecting, 'data');
  const watching = open(client, WATCH);
  watching.end(EMPTY);
  await once(watching, 'data');
  const trailers = [reflecting, watching].map((stream) => once(stream, 'trailers'));
  await looks(30);
  t.notOk(reflecting.closed);
  await looks(1);
  t.match(await trailers[0], [
    { 'grpc-status': String(status.UNAVAILABLE), 'grpc-message': /open%20another/ },
  ]);
  // As every client of gRPC does.
  reflecting.end();
  t.notOk(watching.closed, 'a watch lasts longer');
  await looks(30);
  t.match(await trailers[1], [{ 'grpc-status': String(status.UNAVAILABLE) }]);
  const next = open(client, HEALTH);
  next.end(EMPTY);
  t.equal(await statusOf(next), status.OK, 'what else is asked on the connection is answered');
});

t.test('who leaves such a stream open once it was ended is cut off', async (t) => {
  const { session, looks } = await start(t, 'required');
  const stranger = session();
  const cut = once(stranger, 'close');
  const reflecting = open(stranger, REFLECTION);
  reflecting.write(LIST);
  await once(reflecting, 'data');
  // Nothing of its end is taken.
  reflecting.pause();
  await looks(62);
  await cut;
  t.ok(stranger.destroyed);
});

t.test('who says nonsense and ends it is told so as often as he likes', async (t) => {
  const { session } = await start(t, 'required');
  const stranger = session();
  for (let n = 0; n < 110; n++) {
    const call = open(stranger, HEALTH);
    call.end(Buffer.from([0, 0, 0, 0, 1, 255]));
    t.equal(await statusOf(call), status.INTERNAL);
  }
});

t.test('of one address the eldest connection of nobody gives way; who was let in stays', async (t) => {
  const { address, session } = await start(t, 'open', { mostOfNobody: 2 });
  const known = session();
  const said = open(known, SAY);
  said.end(TEXT);
  t.equal(await statusOf(said), status.OK);
  const port = Number(address.split(':')[1]);
  const sockets = [1, 2, 3].map(() => connect(port, '127.0.0.1'));
  for (const socket of sockets) {
    socket.on('error', () => undefined).resume();
    t.teardown(() => socket.destroy());
  }
  const [eldest] = sockets;
  if (eldest !== undefined) await once(eldest, 'close');
  t.notOk(sockets[1]?.closed || sockets[2]?.closed);
  const again = open(known, SAY);
  again.end(TEXT);
  t.equal(await statusOf(again), status.OK);
});
