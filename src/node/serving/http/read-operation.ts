/**
 * The request of an operation from an HTTP request: fields in the path, and the others in the query or the body.
 *
 * Guarantee: a field has one place, and is given once; text of a path or a query becomes what its field is, and stays text where
 * it is none, so that the one schema of the operation refuses it with its own words. A body that is a list, or one entry of it, is
 * the list that the route names.
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
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

/** @throws InvalidFieldError */
export function readParts(
  operation: Operation,
  { path, query, body }: RequestParts,
): Record<string, unknown> {
  const shape: Readonly<Record<string, unknown>> = operation.request.shape;
  const inPath = Object.entries(path).map(([name, value]) => [name, readText(shape[name], value)] as const);
  const { inQuery = [], bodyList } = operation.http;
  const given = Object.entries(query).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (hasBody(operation) && !inQuery.includes(name))
      throw new InvalidFieldError(name, 'stands in the body, not in the query');
    return [[name, queried(name, shape[name], value)] as const];
  });
  if (!hasBody(operation) && body !== undefined && body !== null)
    throw new InvalidFieldError('body', 'is not looked at here; fields stand in the path and the query');
  const others = hasBody(operation) ? fieldsOf(body, bodyList) : [];
  for (const [name] of [...others, ...given])
    if (Object.hasOwn(path, name)) throw new InvalidFieldError(name, 'stands in the path');
  for (const [name] of others)
    if (inQuery.includes(name)) throw new InvalidFieldError(name, 'stands in the query');
  return Object.fromEntries([...others, ...given, ...inPath]);
}

/** @param list that may be the body by itself */
function fieldsOf(body: unknown, list: string | undefined): [string, unknown][] {
  if (list !== undefined && Array.isArray(body)) return [[list, body]];
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new InvalidFieldError(
      'body',
      `must be an object${list === undefined ? '' : ', or a list of them'}`,
    );
  return list === undefined || Object.hasOwn(body, list) ? Object.entries(body) : [[list, [body]]];
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
  const { bodyList, inQuery = [], isPiece } = operation.http;
  const pieceAsked = isPiece === true ? ['offset', 'length'] : [];
  const needed = [...inPath, ...inQuery, ...(bodyList === undefined ? [] : [bodyList]), ...pieceAsked];
  for (const field of needed)
    if (!(field in request.shape)) throw new Error(`${service}/${name} has no ${field} for its route`);
  if (hasBody(operation)) return;
  for (const [field, schema] of Object.entries(request.shape)) {
    const inner = schema instanceof z.ZodType ? unwrapped(schema) : undefined;
    const value = inner instanceof z.ZodArray ? inner.element : inner;
    if (value instanceof z.ZodObject)
      throw new Error(`${service}/${name}: ${field} needs a body to stand in`);
  }
}
