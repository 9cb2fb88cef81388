/** What a service answers to a gRPC health check. */

import { Client, credentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { serviceOf } from '../../src/wire/proto.js';

const HEALTH = serviceOf(
  loadSync(protoPath, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }),
  'grpc.health.v1.Health',
);

/** `SERVING` or `NOT_SERVING`, of the server as a whole. */
export async function healthOf(address: string): Promise<string> {
  const check = HEALTH['Check'];
  if (check === undefined) throw new Error('the health service has no method Check');
  const channel = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  try {
    const answer = await new Promise<unknown>((resolve, reject) => {
      channel.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service: '' },
        { deadline: Date.now() + 10_000 },
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
    });
    return typeof answer === 'object' && answer !== null && 'status' in answer ? String(answer.status) : '';
  } finally {
    channel.close();
  }
}
