/** What a service answers to a gRPC health check. */

import { once } from 'node:events';
import { Client, credentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { serviceOf } from '../../src/wire/proto.js';

const HEALTH = serviceOf(
  loadSync(protoPath, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }),
  'grpc.health.v1.Health',
);

/**
 * `SERVING` or `NOT_SERVING`.
 * @param service default: the server as a whole
 */
export async function healthOf(address: string, service = ''): Promise<string> {
  const check = HEALTH['Check'];
  if (check === undefined) throw new Error('the health service has no method Check');
  const channel = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  try {
    const answer = await new Promise<unknown>((resolve, reject) => {
      channel.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service },
        { deadline: Date.now() + 10_000 },
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
    });
    return typeof answer === 'object' && answer !== null && 'status' in answer ? String(answer.status) : '';
  } finally {
    channel.close();
  }
}

export interface HealthWatch {
  /** Resolves once the server says, unasked, that it doesn't serve. Rejects when it goes away without a word. */
  readonly notServing: Promise<void>;
}

/** Resolves when the server has told for the first time. */
export async function watchHealth(address: string): Promise<HealthWatch> {
  const watch = HEALTH['Watch'];
  if (watch === undefined) throw new Error('the health service has no method Watch');
  const channel = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  const call = channel.makeServerStreamRequest(
    watch.path,
    watch.requestSerialize,
    watch.responseDeserialize,
    { service: '' },
    { deadline: Date.now() + 30_000 },
  );
  const notServing = new Promise<void>((resolve, reject) => {
    call.on('error', reject);
    call.on('data', (answer: { readonly status?: string }) => {
      if (answer.status === 'NOT_SERVING') resolve();
    });
  }).finally(() => {
    call.cancel();
    channel.close();
  });
  notServing.catch(() => undefined);
  await once(call, 'data');
  return { notServing };
}
