/**
 * gRPC as a peer of any kind uses it: calls by name, streams, nothing sent again by itself. Guarantee: a call ends, by its answer,
 * an error or its deadline.
 */

import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  status,
} from '@grpc/grpc-js';
import { loadProto, methodOf, serviceOf } from '../../../src/wire/proto.js';

const TALENT = serviceOf(loadProto('talent'), 'talent.PlotManager');
const NODE = serviceOf(loadProto('runtime'), 'owl.Node');
const DEADLINE_MS = 5_000;
const CHANNEL = {
  'grpc.enable_http_proxy': 0,
  // Peers must not share a connection: each is to be cut by itself.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 250,
  'grpc.max_receive_message_length': -1,
};

/** It passes by itself: sent again unchanged, the call may succeed. */
const TRANSIENT: ReadonlySet<number> = new Set([
  ...[status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.RESOURCE_EXHAUSTED],
  ...[status.ABORTED, status.CANCELLED],
]);

export type Duplex = ClientDuplexStream<object, object>;

export class Calls {
  private readonly client: Client;

  /** @param address HOST:PORT */
  constructor(address: string) {
    this.client = new Client(address, credentials.createInsecure(), CHANNEL);
  }

  /** Rejects with grpc-js' ServiceError. */
  ask(name: string, request: object, deadlineMs = DEADLINE_MS): Promise<object> {
    const { path, requestSerialize, responseDeserialize } = methodOf(name in NODE ? NODE : TALENT, name);
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        { deadline: Date.now() + deadlineMs },
        (error, answer) => (error === null ? resolve(answer ?? {}) : reject(error)),
      );
    });
  }

  follow(name: string, request: object): ClientReadableStream<object> {
    const { path, requestSerialize, responseDeserialize } = methodOf(TALENT, name);
    return this.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
  }

  duplex(name: string): Duplex {
    const { path, requestSerialize, responseDeserialize } = methodOf(TALENT, name);
    return this.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  }

  close(): void {
    this.client.close();
  }
}

export function codeOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number'
    ? error.code
    : undefined;
}

export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (TRANSIENT.has(code) || isBrokenOff(error));
}

/** The connection was reset, as by a node that was killed with a call unread: grpc-js calls that an internal error. */
function isBrokenOff(error: unknown): boolean {
  return error instanceof Error && /Received RST_STREAM with code \d+/.test(error.message);
}
