/**
 * The gRPC handlers of operations.
 *
 * Guarantee: what an operation answers or refuses goes over the wire unchanged; a refusal is an answer where the contract of its
 * peers says so, and a gRPC error everywhere else.
 */

import type { UntypedHandleCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { type MethodAccess, type ServiceAccess, workerInField } from '../access/roles.js';
import { type Peer, serverStream, type UnderWay, unary } from '../serving/calls.js';
import { answerInBand } from '../serving/refusals.js';
import type { Asking, Operation, ServedOperation } from './operation.js';

/** Those of one service, by the name of the method. */
export function grpcHandlersOf(
  operations: readonly ServedOperation[],
  service: string,
  logger: Logger,
): UntypedServiceImplementation {
  const own = operations.filter(({ operation }) => operation.service === service);
  return Object.fromEntries(own.map((one) => [one.operation.name, handlerOf(one, logger)]));
}

function handlerOf({ operation: { inBand }, handle }: ServedOperation, logger: Logger): UntypedHandleCall {
  if ('follow' in handle)
    return serverStream(logger, (request: unknown, { address, who }: Peer, over: AbortSignal) =>
      handle.follow(request, { address, who, over, repeated: untold }),
    );
  const answer = (request: unknown, peer: Peer, call: UnderWay) =>
    handle.answer(request, new GrpcAsking(peer, call));
  if (inBand === undefined) return unary(logger, answer);
  return unary(logger, (request: unknown, peer, call) =>
    answerInBand(() => answer(request, peer, call), inBand),
  );
}

/** Who may ask for those of one service, by the name of the method. */
export function grpcAccessOf(operations: readonly ServedOperation[], service: string): ServiceAccess {
  const own = operations.filter(({ operation }) => operation.service === service);
  return Object.fromEntries(own.map(({ operation }) => [operation.name, methodAccessOf(operation)]));
}

export function methodAccessOf({
  roles,
  kind,
  choosesProgram,
  worker,
}: Pick<Operation, 'roles' | 'kind' | 'choosesProgram' | 'worker'>): MethodAccess {
  return {
    roles,
    isQuery: kind === 'query',
    ...(choosesProgram === true ? { withoutCredentials: 'never' } : {}),
    ...(worker === undefined ? {} : { workerIn: workerInField(worker) }),
  };
}

/** Its signal is made only for those who ask for it, as that of the call is. */
class GrpcAsking implements Asking {
  readonly address: string;
  readonly who: string;
  readonly repeated = untold;
  private readonly call: UnderWay;

  constructor({ address, who }: Peer, call: UnderWay) {
    this.address = address;
    this.who = who;
    this.call = call;
  }

  get over(): AbortSignal {
    return this.call.over;
  }
}

/** The answer of a repeated command is the first one: gRPC peers are told no more than that. */
function untold(): void {}
