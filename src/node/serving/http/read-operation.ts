/**
 * The request of an operation from an HTTP request: fields in the path, and the others in the query or the body.
 *
 * Guarantee: a field has one place, and is given once; text of a path or a query becomes what its field is, and stays text where
 * it is none, so that the one schema of the operation refuses it with its own words.
 */

import { z } from 'zod';
import { InvalidFieldError } from '../../../base/errors.js';
import type { Operation } from '../../operations/operation.js';
import { unwrapped } from '../../operations/read-request.js';

export interface RequestParts {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: unknown;
}

/** Fields that stand in the path. */
export function pathFields({ http: { path } }: Operation): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}

export function hasBody({ http: { method } }: Operation): boolean {
  return method === 'POST' || method === 'PUT';
}

/** @throws InvalidFieldError */
export function readParts(
  operation: Operation,
  { path, query, body }: RequestParts,
): Record<string, unknown> {
  const shape: Readonly<Record<string, unknown>> = operation.request.shape;
  const inPath = Object.entries(path).map(([name, value]) => [name, readText(shape[name], value)] as const);
  const given = Object.entries(query).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (hasBody(operation)) throw new InvalidFieldError(name, 'stands in the body, not in the query');
    return [[name, queried(name, shape[name], value)] as const];
  });
  if (!hasBody(operation) && body !== undefined && body !== null)
    throw new InvalidFieldError('body', 'is not looked at here; fields stand in the path and the query');
  const others = hasBody(operation) ? fieldsOf(body) : given;
  const twice = others.find(([name]) => Object.hasOwn(path, name));
  if (twice !== undefined) throw new InvalidFieldError(twice[0], 'stands in the path');
  return Object.fromEntries([...others, ...inPath]);
}

function fieldsOf(body: unknown): [string, unknown][] {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new InvalidFieldError('body', 'must be an object');
  return Object.entries(body);
}

function queried(name: string, schema: unknown, value: string | readonly string[]): unknown {
  const field = schema instanceof z.ZodType ? unwrapped(schema) : undefined;
  if (field instanceof z.ZodArray)
    return (typeof value === 'string' ? [value] : value).map((one) => readText(field.element, one));
  if (typeof value !== 'string') throw new InvalidFieldError(name, 'is given more than once');
  return readText(field, value);
}

function readText(schema: unknown, text: string): unknown {
  const field = schema instanceof z.ZodType ? unwrapped(schema) : undefined;
  if (field instanceof z.ZodNumber && /^-?\d{1,20}(\.\d{1,20})?$/.test(text)) return Number(text);
  if (field instanceof z.ZodBoolean && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

/** What a path or a query can't hold is no field of them. @throws Error that names it */
export function assertReadable(operation: Operation): void {
  const { service, name, request } = operation;
  const inPath = pathFields(operation);
  for (const field of inPath)
    if (!(field in request.shape)) throw new Error(`${service}/${name} has no ${field} for its path`);
  if (hasBody(operation)) return;
  for (const [field, schema] of Object.entries(request.shape)) {
    const inner = schema instanceof z.ZodType ? unwrapped(schema) : undefined;
    const value = inner instanceof z.ZodArray ? inner.element : inner;
    if (value instanceof z.ZodObject)
      throw new Error(`${service}/${name}: ${field} needs a body to stand in`);
  }
}
