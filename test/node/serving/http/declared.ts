/** The operations that the systems of the test node declare, and how one is asked over each road. */

import type { PackageDefinition } from '@grpc/proto-loader';
import type { Operation } from '../../../../src/node/operations/operation.js';
import * as ofSupervisors from '../../../../src/systems/talent/service/operations/supervisor-operations.js';
import * as ofTasks from '../../../../src/systems/talent/service/operations/task-operations.js';
import { loadProto } from '../../../../src/wire/proto.js';
import * as ofSemaphores from '../../../systems/semaphore/service/semaphore-operations.js';
import { loadSemaphoreProto } from '../../../systems/semaphore/wire/semaphore-client.js';
import * as ofWorkers from '../../../systems/workers/worker-operations.js';

export interface DeclaredBy {
  readonly system: string;
  readonly proto: PackageDefinition;
  readonly operations: readonly Operation[];
}

export const DECLARED: readonly DeclaredBy[] = [
  { system: 'talent', proto: loadProto('talent'), operations: operationsIn(ofTasks, ofSupervisors) },
  { system: 'semaphore', proto: loadSemaphoreProto(), operations: operationsIn(ofSemaphores) },
  { system: 'workers', proto: ofWorkers.loadWorkersProto(), operations: operationsIn(ofWorkers) },
];

/** @param name as the OpenAPI document has it, `talent.PlotManager.plot_task_retry` */
export function declared(name: string): { readonly system: string; readonly operation: Operation } {
  for (const { system, operations } of DECLARED) {
    const operation = operations.find((one) => nameOf(one) === name);
    if (operation !== undefined) return { system, operation };
  }
  throw new Error(`no operation ${name}`);
}

export function nameOf({ service, name }: Operation): string {
  return `${service}.${name}`;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
}

/** Where the fields of a request stand over HTTP. */
export function httpRequestOf(name: string, request: Readonly<Record<string, unknown>>): HttpRequest {
  const { system, operation } = declared(name);
  const { method, path } = operation.http;
  const rest = { ...request };
  const filled = path.replaceAll(/\{(\w+)\}/g, (_all, field: string) => {
    const value = textOf(rest[field] ?? '');
    delete rest[field];
    return encodeURIComponent(value);
  });
  const url = `/api/v1/${system}${filled}`;
  if (method === 'POST' || method === 'PUT') return { method, path: url, body: rest };
  const query = new URLSearchParams();
  for (const [field, value] of Object.entries(rest))
    for (const one of Array.isArray(value) ? value : [value]) query.append(field, textOf(one));
  return { method, path: query.size === 0 ? url : `${url}?${query}` };
}

function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function operationsIn(...modules: readonly object[]): Operation[] {
  return modules
    .flatMap((module) => Object.values<unknown>(Object.fromEntries(Object.entries(module))))
    .filter(isOperation);
}

function isOperation(value: unknown): value is Operation {
  return typeof value === 'object' && value !== null && 'http' in value && 'request' in value;
}
