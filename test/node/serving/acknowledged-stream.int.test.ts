/** A stream of acknowledged requests when its node stops. */

import { setTimeout as pause } from 'node:timers/promises';
import { Client, credentials, type StatusObject, status } from '@grpc/grpc-js';
import { pino } from 'pino';
import t from 'tap';
import { acknowledgedStream } from '../../../src/node/serving/calls.js';
import { startGrpcServer } from '../../../src/node/serving/grpc-server.js';
import { OPEN_TO_ALL } from '../../support/open-to-all.js';
import { until } from '../../support/until.js';

const PATH = '/test.Echo/tell';
const encode = (value: unknown) => Buffer.from(String(value));
const decode = (bytes: Buffer) => bytes.toString();

t.test(
  'what was taken is answered, nothing more is taken, and the stream ends without an error',
  async (t) => {
    const logger = pino({ level: 'silent' });
    const closing = new AbortController();
    const waiting: (() => void)[] = [];
    const server = await startGrpcServer({
      listen: '127.0.0.1:0',
      logger,
      packages: [],
      ...OPEN_TO_ALL,
      services: [
        {
          name: 'test.Echo',
          definition: {
            tell: {
              path: PATH,
              requestStream: true,
              responseStream: true,
              requestSerialize: encode,
              requestDeserialize: decode,
              responseSerialize: encode,
              responseDeserialize: decode,
            },
          },
          access: { tell: { roles: ['reader'] } },
          handlers: {
            tell: acknowledgedStream<string, string, string>(logger, {
              inFlight: 10,
              handle: (request) => new Promise((resolve) => waiting.push(() => resolve(request))),
              answerFailure: () => 'failed',
              pack: (answers) => answers.join(' '),
              closing: closing.signal,
            }),
          },
        },
      ],
    });
    const client = new Client(server.address, credentials.createInsecure());
    t.teardown(() => client.close());
    const open = () => {
      const call = client.makeBidiStreamRequest(PATH, encode, decode);
      const seen: { readonly answers: string[]; status?: StatusObject } = { answers: [] };
      call.on('data', (answer: string) => seen.answers.push(answer));
      call.on('error', () => undefined);
      call.on('status', (ended) => {
        seen.status = ended;
      });
      return { call, seen };
    };
    const [idle, busy] = [open(), open()];
    idle.call.write('x');
    await until('the idle one has been taken', () => waiting.length === 1);
    waiting.shift()?.();
    await until('and answered', () => idle.seen.answers.length === 1);
    busy.call.write('a');
    busy.call.write('b');
    await until('both are under way', () => waiting.length === 2);
    closing.abort();
    await until('the idle one has ended', () => idle.seen.status?.code === status.OK);
    t.equal(busy.seen.status, undefined, 'the other one waits for its answers');
    busy.call.write('c');
    await pause(20);
    t.equal(waiting.length, 2, 'nothing more is taken');
    for (const answer of waiting.splice(0)) answer();
    await until('it has ended', () => busy.seen.status !== undefined);
    t.equal(busy.seen.status?.code, status.OK);
    t.equal(busy.seen.answers.join(' '), 'a b');
    const late = open();
    await until('one that comes too late ends at once', () => late.seen.status?.code === status.OK);
    await server.stop(10_000);
  },
);
