/**
 * The OpenAPI 3.1 document, made from the declarations of operations.
 *
 * Guarantee: what it says of an operation is what its schemas and its declaration say; each message stands in it once, under the
 * name that it has in the proto file.
 */

import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Operation } from '../../operations/operation.js';
import { unwrapped } from '../../operations/read-request.js';
import { EVENT_STREAM_TYPE, LINES_TYPE } from './event-stream.js';
import { PIECE_TYPE } from './piece.js';
import { PROBLEM_TYPE, TITLE_OF } from './problem.js';
import { hasBody, pathFields } from './read-operation.js';

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    kind: z.string().meta({ description: 'What programs decide by.', enum: Object.keys(TITLE_OF) }),
    reason: z
      .string()
      .optional()
      .meta({ description: 'A word of the system, where the kind says too little.' }),
    retryable: z.boolean().meta({ description: 'Asking again, unchanged, may succeed.' }),
    field: z.string().optional(),
    rule: z.string().optional(),
    problems: z.array(z.object({ field: z.string(), rule: z.string(), detail: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

/** To be registered before any route. */
export async function describe(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'owl',
        version,
        description: 'What the systems of this node can be asked for. Everything is also there over gRPC.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
}

/** The document without what nothing in it refers to. */
export function documentOf(app: FastifyInstance): unknown {
  const document: unknown = JSON.parse(JSON.stringify(app.swagger()));
  const schemas = at(at(document, 'components'), 'schemas');
  if (!isObject(schemas)) return document;
  const needed = new Set<string>();
  const follow = (value: unknown): void => {
    if (!isObject(value)) return;
    for (const [key, one] of Object.entries(value)) {
      const name = key === '$ref' && typeof one === 'string' ? one.split('/').at(-1) : undefined;
      if (name === undefined) follow(one);
      else if (!needed.has(name)) {
        needed.add(name);
        follow(schemas[name]);
      }
    }
  };
  follow(at(document, 'paths'));
  for (const name of Object.keys(schemas)) if (!needed.has(name)) delete schemas[name];
  return document;
}

/** What Fastify is told of a route. Nothing is checked by it: both roads read requests in one place (read-request.ts). */
export function routeSchemaOf(system: string, operation: Operation): FastifySchema {
  const { service, name, summary, description, roles, request, kind, commandId, creates } = operation;
  const inPath = pathFields(operation);
  const made = hasBody(operation) ? [commandId, creates] : [];
  const fields = Object.entries(request.shape);
  const { inQuery = [] } = operation.http;
  const others = fields
    .filter(([field]) => !inPath.includes(field) && !inQuery.includes(field))
    .map(([field, schema]) => [field, made.includes(field) ? z.optional(schema) : schema] as const);
  const queried = fields.filter(([field]) => inQuery.includes(field));
  const path = fields.filter(([field]) => inPath.includes(field));
  const token = `Roles: ${roles.join(', ')}.`;
  return {
    operationId: `${service}.${name}`,
    tags: [system],
    summary,
    description: description === undefined ? token : `${description}\n\n${token}`,
    ...(inPath.length === 0 ? {} : { params: z.object(Object.fromEntries(path)) }),
    [hasBody(operation) ? 'body' : 'querystring']: asBody(operation, others),
    ...(queried.length === 0 ? {} : { querystring: z.object(Object.fromEntries(queried)) }),
    ...(kind === 'query' || commandId === undefined ? {} : { headers: KEY_HEADER }),
    ...(operation.resumption === undefined ? {} : { headers: RESUMPTION_HEADER }),
    response: {
      ...answersOf(operation),
      default: { description: 'What is wrong', content: { [PROBLEM_TYPE]: { schema: problem } } },
    },
    security: kind === 'decision' ? [{ token: [] }] : [{ token: [] }, {}],
    ...{ 'x-roles': roles },
  };
}

/** The fields as one body or query; a list that may be the body by itself is said to. */
function asBody(
  { http: { bodyList }, request }: Operation,
  fields: readonly (readonly [string, z.ZodType])[],
) {
  const whole = z.strictObject(Object.fromEntries(fields));
  if (bodyList === undefined) return whole;
  const list: unknown = request.shape[bodyList];
  const inner = list instanceof z.ZodType ? unwrapped(list) : undefined;
  if (!(inner instanceof z.ZodArray) || !(inner.element instanceof z.ZodType)) return whole;
  return z.union([whole, inner, inner.element]);
}

function answersOf({ summary, answer, isStream, http: { success, over, isPiece } }: Operation) {
  const json = { 'application/json': { schema: answer } };
  if (isStream === true)
    return {
      200: {
        description: summary,
        content: { [EVENT_STREAM_TYPE]: { schema: answer }, [LINES_TYPE]: { schema: answer } },
      },
    };
  if (isPiece !== true) {
    const over200 = {
      description: `Nothing is left to happen: ${over?.field} is ${over?.at.join(' or ')}.`,
      content: json,
    };
    return {
      ...(over === undefined ? {} : { 200: over200 }),
      [success ?? 200]: { description: summary, content: json },
    };
  }
  const bytes = { [PIECE_TYPE]: { schema: z.string() } };
  return {
    200: { description: 'All of it; who asks for JSON gets the message.', content: { ...json, ...bytes } },
    206: { description: 'A piece of it, as Content-Range says.', content: bytes },
  };
}

const KEY_HEADER = z.object({
  'idempotency-key': z
    .string()
    .optional()
    .meta({ description: 'Sent again with the same key, an order is not carried out twice.' }),
});
const RESUMPTION_HEADER = z.object({
  'last-event-id': z
    .string()
    .optional()
    .meta({ description: 'The id of the last event that was read: goes on behind it.' }),
});

function at(value: unknown, key: string): unknown {
  return isObject(value) ? value[key] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
