/**
 * The gRPC services of a system that is open: its operations and its other handlers, put together.
 *
 * Guarantee: each method of its proto file is carried out by exactly one of them, and each operation is a method of it; what does
 * not fit is a fault of the program and ends the start.
 */

import type { Logger } from 'pino';
import { serviceOf } from '../wire/proto.js';
import { asBefore } from './access/roles.js';
import { servicesIn } from './clashes.js';
import { grpcAccessOf, grpcHandlersOf } from './operations/grpc-handlers.js';
import type { Operation } from './operations/operation.js';
import type { GrpcService } from './serving/grpc-server.js';
import type { OpenedService, ServedSystem, ServiceSide } from './system.js';

export interface OpenedSystem {
  readonly system: ServedSystem;
  readonly side: ServiceSide;
  readonly opened: OpenedService;
}

/** @throws Error that names what has no handler, two of them, or no method */
export function servicesOf(
  { system: { name: owner }, side: { proto, servedAsBefore, requestBytes = {} }, opened }: OpenedSystem,
  logger: Logger,
): GrpcService[] {
  const { operations = [], handlers } = opened;
  const services = servicesIn(proto);
  const strange = operations.find(({ operation: { service } }) => !services.includes(service));
  if (strange !== undefined)
    throw new Error(`the system ${owner} has no service for ${nameOf(strange.operation)}`);
  return services.map((name) => {
    const definition = serviceOf(proto, name);
    const others = handlers[name] ?? {};
    const declared = grpcHandlersOf(operations, name, logger);
    assertOneEach(owner, name, Object.keys(definition), [Object.keys(declared), Object.keys(others)]);
    const access = { ...opened.access?.[name], ...grpcAccessOf(operations, name) };
    return {
      ...{ name, definition, handlers: { ...others, ...declared } },
      access: servedAsBefore === true ? asBefore(access) : access,
      ...(requestBytes[name] === undefined ? {} : { requestBytes: requestBytes[name] }),
    };
  });
}

function assertOneEach(
  owner: string,
  service: string,
  methods: readonly string[],
  handled: readonly (readonly string[])[],
): void {
  const all = handled.flat();
  const faults = [
    ...methods.filter((name) => !all.includes(name)).map((name) => `nothing handles ${service}/${name}`),
    ...all.filter((name, at) => all.indexOf(name) < at).map((name) => `two things handle ${service}/${name}`),
    ...all.filter((name) => !methods.includes(name)).map((name) => `${service} has no method ${name}`),
  ];
  if (faults.length > 0)
    throw new Error(`the services of the system ${owner} are not whole: ${faults.join('; ')}`);
}

function nameOf({ service, name }: Operation): string {
  return `${service}/${name}`;
}

/** Those that have no end of their own. */
export function endStreams(systems: readonly OpenedSystem[]): void {
  for (const { opened } of systems) opened.endStreams?.();
}
