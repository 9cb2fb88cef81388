/** Two-way streams that are not request and answer, and how large the messages of a service may be, over real gRPC. */

import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { OwlError } from '../../../src/base/errors.js';
import { unary } from '../../../src/node/serving/calls.js';
import { duplexStream } from '../../../src/node/serving/duplex-stream.js';
import { type GrpcService, startGrpcServer } from '../../../src/node/serving/grpc-server.js';
import { logLines } from '../../support/log-lines.js';
import { OPEN_TO_ALL } from '../../support/open-to-all.js';
import { until } from '../../support/until.js';

const KIB = 1024;
const encode = (value: unknown) => Buffer.from(String(value));
const decode = (bytes: Buffer) => bytes.toString();
const codecs = {
  ...{ requestSerialize: encode, requestDeserialize: decode },
  ...{ responseSerialize: encode, responseDeserialize: decode },
};

type Talk = Parameters<typeof duplexStream<string, string>>[1];

function service(name: string, talk: Talk, requestBytes?: number): GrpcService {
  const { logger } = logLines();
  return {
    name,
    definition: {
      talk: { path: `/${name}/talk`, requestStream: true, responseStream: true, ...codecs },
      say: { path: `/${name}/say`, requestStream: false, responseStream: false, ...codecs },
    },
    handlers: {
      talk: duplexStream<string, string>(logger, talk),
      say: unary(logger, async (said: string) => `${said.length}`),
    },
    access: { talk: { roles: ['worker'] }, say: { roles: ['worker'] } },
    ...(requestBytes === undefined ? {} : { requestBytes }),
  };
}

async function serve(t: Test, services: readonly GrpcService[]): Promise<Client> {
  const { logger } = logLines();
  const server = await startGrpcServer({
    listen: '127.0.0.1:0',
    ...{ services, packages: [], logger },
    ...OPEN_TO_ALL,
  });
  const client = new Client(server.address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  t.teardown(async () => {
    client.close();
    await server.stop(0);
  });
  return client;
}

function open(client: Client, name = 'test.Talk') {
  const call = client.makeBidiStreamRequest(`/${name}/talk`, encode, decode);
  const heard: string[] = [];
  const errors: ServiceError[] = [];
  call.on('data', (text: string) => heard.push(text));
  call.on('error', (error: ServiceError) => errors.push(error));
  return { call, heard, errors };
}

t.test('the node speaks first, and each end when it has something to say', async (t) => {
  const client = await serve(t, [
    service('test.Talk', async function* (messages) {
      yield 'work 1';
      yield 'work 2';
      for await (const message of messages) if (message === 'free') yield 'work 3';
      yield 'good bye';
    }),
  ]);
  const { call, heard, errors } = open(client);
  await until('it spoke first', () => heard.length === 2);
  for (const message of ['busy', 'busy', 'free']) call.write(message);
  await until('it was told', () => heard.length === 3);
  call.end();
  await until('it ends when the handler is done', () => heard.length === 4);
  t.same(heard, ['work 1', 'work 2', 'work 3', 'good bye']);
  t.same(errors, []);
});

t.test('a message is taken once the one before was, however many wait', async (t) => {
  let taken = 0;
  let next: () => void = () => undefined;
  const client = await serve(t, [
    service('test.Talk', async function* (messages) {
      for await (const _ of messages) {
        taken += 1;
        await new Promise<void>((resolve) => {
          next = resolve;
        });
        yield 'ok';
      }
    }),
  ]);
  const { call, heard } = open(client);
  for (let i = 0; i < 5; i++) call.write('x');
  for (let i = 1; i <= 5; i++) {
    await until('one is taken', () => taken === i);
    next();
    await until('it is answered', () => heard.length === i);
  }
  call.end();
});

t.test('who has gone is not served: its messages end and the signal aborts', async (t) => {
  const seen: string[] = [];
  const client = await serve(t, [
    service('test.Talk', async function* (messages, { address, who }, signal) {
      seen.push(address === who ? address : '');
      yield 'here';
      for await (const message of messages) seen.push(message);
      seen.push('over');
      signal.addEventListener('abort', () => seen.push('aborted'));
      if (signal.aborted) seen.push('aborted');
    }),
  ]);
  const { call, heard } = open(client);
  await until('it is there', () => heard.length === 1);
  call.write('a');
  await until('it was heard', () => seen.includes('a'));
  call.cancel();
  await until('it has ended there', () => seen.includes('over') && seen.includes('aborted'));
  t.same(seen, ['127.0.0.1', 'a', 'over', 'aborted']);
});

t.test('what the handler throws ends the stream with its kind', async (t) => {
  const client = await serve(t, [
    service('test.Talk', async function* (messages) {
      yield 'here';
      for await (const message of messages) throw new OwlError('outdated', `${message} is of before`);
    }),
  ]);
  const { call, errors } = open(client);
  call.write('claim 1');
  await until('it has ended', () => errors.length === 1);
  t.match(errors, [{ code: status.ABORTED, details: 'claim 1 is of before' }]);
  t.same(errors[0]?.metadata.get('owl-kind'), ['outdated']);
});

t.test('each service says how large the messages of its peers may be', async (t) => {
  const repeat: Talk = async function* (messages) {
    for await (const message of messages) yield `${message.length}`;
  };
  const large = service('test.Large', repeat, 1024 * KIB);
  const client = await serve(t, [
    service('test.Small', repeat, 16 * KIB),
    service('test.Usual', repeat),
    large,
  ]);
  const say = (name: string, length: number) =>
    new Promise<ServiceError | string>((resolve) => {
      client.makeUnaryRequest(`/${name}/say`, encode, decode, 'x'.repeat(length), (error, answer) =>
        resolve(error ?? answer ?? ''),
      );
    });
  t.equal(await say('test.Small', 16 * KIB), String(16 * KIB));
  t.equal(await say('test.Usual', 256 * KIB), String(256 * KIB));
  t.equal(await say('test.Large', 1024 * KIB), String(1024 * KIB));
  for (const [name, limit] of [
    ['test.Small', 16 * KIB],
    ['test.Usual', 256 * KIB],
  ] as const) {
    const error = await say(name, limit + 1);
    const message = `a message of ${limit + 1} bytes is too large: ${limit} are taken here`;
    t.match(error, { code: status.INVALID_ARGUMENT, details: message }, name);
    const { call, heard, errors } = open(client, name);
    call.write('abc');
    await until('a small one is taken', () => heard.length === 1);
    call.write('x'.repeat(limit + 1));
    await until('the large one ends it', () => errors.length === 1);
    t.match(errors, [{ code: status.INVALID_ARGUMENT, details: message }]);
  }
  t.match(await say('test.Large', 1024 * KIB + 1), { code: status.RESOURCE_EXHAUSTED }, 'what nobody takes');
});
