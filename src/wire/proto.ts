/** Where proto/ is and how it is read: the one set of decoding options that both ends of the wire use. */

import { join } from 'node:path';
import {
  loadPackageDefinition,
  type MethodDefinition,
  type ServiceClientConstructor,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { PACKAGE_ROOT } from '../base/package-root.js';

/** Loads `proto/<name>.proto`: snake_case names as in the file, 64-bit integers as numbers, nothing for what was not given. */
export function loadProto(name: string): PackageDefinition {
  return loadProtoFile(join(PACKAGE_ROOT, 'proto', `${name}.proto`));
}

/** The same of a file elsewhere. */
export function loadProtoFile(path: string): PackageDefinition {
  return loadSync(path, {
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: false,
    oneofs: false,
  });
}

/** @throws Error when the package has no such service */
export function serviceOf(definition: PackageDefinition, service: string): ServiceDefinition {
  const found = definition[service];
  if (found === undefined || 'format' in found) throw new Error(`no service ${service} in the proto files`);
  return found;
}

/** @throws Error when the service has no such method */
export function methodOf(service: ServiceDefinition, name: string): MethodDefinition<object, object> {
  const found: MethodDefinition<object, object> | undefined = service[name];
  if (found === undefined) throw new Error(`the proto files hold no method ${name}`);
  return found;
}

/** The client class of a service. @throws Error when the package has no such service */
export function clientOf(definition: PackageDefinition, service: string): ServiceClientConstructor {
  let at: unknown = loadPackageDefinition(definition);
  for (const part of service.split('.'))
    at = typeof at === 'object' && at !== null ? Reflect.get(at, part) : undefined;
  if (!isClientConstructor(at)) throw new Error(`no service ${service} in the proto files`);
  return at;
}

function isClientConstructor(value: unknown): value is ServiceClientConstructor {
  return typeof value === 'function' && 'service' in value;
}
