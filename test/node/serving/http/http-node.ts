/**
 * A node that serves talent, semaphores and workers over gRPC and HTTP, in the test's process, on a directory of its own.
 * Guarantee: it is stopped when the test ends; requests are real ones over sockets, each on a connection of its own.
 */

import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { Test } from 'tap';
import type { Clock } from '../../../../src/base/clock.js';
import type { System } from '../../../../src/cli/system.js';
import { localTokenFile } from '../../../../src/node/access/access-file.js';
import { Settings } from '../../../../src/node/config/config.js';
import { type RunningNode, startNode } from '../../../../src/node/node.js';
import type { HttpLimits } from '../../../../src/node/serving/http/http-server.js';
import { talent } from '../../../../src/systems/talent/system.js';
import { loadProto, methodOf, serviceOf } from '../../../../src/wire/proto.js';
import { type LogLines, logLines } from '../../../support/log-lines.js';
import { semaphoreSystem } from '../../../systems/semaphore/system.js';
import { loadSemaphoreProto } from '../../../systems/semaphore/wire/semaphore-client.js';
import { workersSystem } from '../../../systems/workers/system.js';
import { loadWorkersProto } from '../../../systems/workers/worker-operations.js';

export const SYSTEMS: readonly System[] = [talent, semaphoreSystem, workersSystem];
const PROTOS = {
  ...loadProto('talent'),
  ...loadProto('workload'),
  ...loadSemaphoreProto(),
  ...loadWorkersProto(),
};

export interface HttpNodeOptions {
  readonly systems?: readonly System[];
  readonly data?: string;
  readonly config?: Readonly<Record<string, string>>;
  readonly limits?: HttpLimits;
  readonly clock?: Clock;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Undefined for what is no JSON. */
  readonly body: unknown;
}

export interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: that of owl on this machine, where a node is asked; none elsewhere. */
  readonly authorization?: string | null;
}

export interface HttpNode {
  readonly node: RunningNode;
  /** HOST:PORT of HTTP. */
  readonly address: string;
  readonly log: LogLines;
  readonly data: string;
  ask(method: string, path: string, asked?: Asked): Promise<Answer>;
  /** Reads events until `isLast`, then goes. */
  follow(
    path: string,
    isLast: (event: ServerSentEvent) => boolean,
    headers?: Readonly<Record<string, string>>,
  ): Promise<ServerSentEvent[]>;
  /** One call over gRPC. Rejects with grpc-js' ServiceError. */
  call(service: string, method: string, request: object): Promise<object>;
  /** All messages of a stream until `isLast`, or its end. */
  stream(
    service: string,
    method: string,
    request: object,
    isLast: (message: object) => boolean,
  ): Promise<object[]>;
}

export async function startHttpNode(t: Test, options: HttpNodeOptions = {}): Promise<HttpNode> {
  const { systems = SYSTEMS, limits, clock } = options;
  const data = options.data ?? join(t.testdir(), 'data');
  const flags = { data, listen: '127.0.0.1:0', http_listen: '127.0.0.1:0', ...options.config };
  const config = new Settings(systems).load({ env: {}, cwd: '/', flags });
  const log = logLines();
  const node = await startNode({
    ...{ systems, config, logger: log.logger },
    ...(limits === undefined ? {} : { httpLimits: limits }),
    ...(clock === undefined ? {} : { clock }),
  });
  const channel = new Client(node.address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  t.teardown(async () => {
    channel.close();
    await node.stop();
  });
  const address = node.httpAddress ?? '';
  const authorization = `Bearer ${readFileSync(localTokenFile(data), 'utf8').trim()}`;
  const metadata = new Metadata();
  metadata.set('authorization', authorization);
  return {
    ...{ node, address, log, data },
    ask: (method, path, asked = {}) => askAt(address, method, path, { authorization, ...asked }),
    follow: (path, isLast, headers = {}) => followAt(address, path, isLast, { authorization, ...headers }),
    call: (service, name, request) => {
      const { path, requestSerialize, responseDeserialize } = methodOf(serviceOf(PROTOS, service), name);
      return new Promise((resolve, reject) => {
        channel.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadata,
          (error, answer) => (error === null ? resolve(answer ?? {}) : reject(error)),
        );
      });
    },
    stream: (service, name, request, isLast) => {
      const { path, requestSerialize, responseDeserialize } = methodOf(serviceOf(PROTOS, service), name);
      const call = channel.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
      );
      const messages: object[] = [];
      return new Promise((resolve, reject) => {
        call.on('data', (message: object) => {
          messages.push(message);
          if (isLast(message)) {
            resolve(messages);
            call.cancel();
          }
        });
        call.on('error', reject);
        call.on('end', () => resolve(messages));
      });
    },
  };
}

/** @param address HOST:PORT */
export function askAt(
  address: string,
  method: string,
  path: string,
  { body, headers = {}, authorization = null }: Asked = {},
): Promise<Answer> {
  const bytes =
    body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const all = {
    ...(bytes === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(bytes)) }),
    ...(authorization === null ? {} : { authorization }),
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { ...placeOf(address), path, method, headers: all, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: jsonOf(text) });
        });
      },
    );
    sent.on('error', reject);
    sent.end(bytes);
  });
}

function placeOf(address: string) {
  const [host = '', port] = address.split(':');
  return { host, port };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export interface ServerSentEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: unknown;
}

/** What a stream of events has said. Comments are none. */
export function eventsIn(text: string): ServerSentEvent[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const field = (name: string) =>
        block
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      return { id: field('id'), event: field('event') ?? 'message', data: jsonOf(field('data') ?? '') };
    });
}

function followAt(
  address: string,
  path: string,
  isLast: (event: ServerSentEvent) => boolean,
  headers: Readonly<Record<string, string>>,
): Promise<ServerSentEvent[]> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ ...placeOf(address), path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        const events = eventsIn(text.slice(0, text.lastIndexOf('\n\n') + 2));
        const last = events.findIndex(isLast);
        if (last < 0) return;
        resolve(events.slice(0, last + 1));
        sent.destroy();
      });
      response.on('end', () => resolve(eventsIn(text)));
    });
    sent.on('error', reject);
    sent.end();
  });
}
