/** An HTTP server of its own, without a node, for operations that do what no honest one does. It is stopped with the test. */

import type { Test } from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import { answered, followed } from '../../../../src/node/operations/operation.js';
import {
  type HttpServerOptions,
  type RunningHttpServer,
  startHttpServer,
} from '../../../../src/node/serving/http/http-server.js';
import { logLines } from '../../../support/log-lines.js';
import { followPermits, listPermits } from '../../../systems/semaphore/service/semaphore-operations.js';
import { loadSemaphoreProto } from '../../../systems/semaphore/wire/semaphore-client.js';

/** What the two operations do. */
export interface Odd {
  readonly answer?: Parameters<typeof answered<typeof listPermits.request, typeof listPermits.answer>>[1];
  readonly follow?: Parameters<typeof followed<typeof followPermits.request, typeof followPermits.answer>>[1];
}

export const ANSWER = '/api/v1/odd/semaphores/a/permits';
export const FOLLOW = '/api/v1/odd/events';

export const ODD_SYSTEM = { name: 'odd', proto: loadSemaphoreProto(), servedAsBefore: false } as const;

export const ODD = {
  listen: '127.0.0.1:0',
  hosts: [],
  authorise: () => ({ name: undefined, check: () => undefined }),
  problem: () => undefined,
  version: '1',
  clock: systemClock,
  logger: logLines().logger,
} satisfies Partial<HttpServerOptions>;

export async function startOddServer(
  t: Test,
  { answer = async () => ({}), follow = nothing }: Odd,
  options: Partial<HttpServerOptions> = {},
): Promise<RunningHttpServer> {
  const operations = [answered(listPermits, answer), followed(followPermits, follow)];
  const server = await startHttpServer({ ...ODD, systems: [{ ...ODD_SYSTEM, operations }], ...options });
  t.teardown(() => server.stop(0));
  return server;
}

async function* nothing() {}
