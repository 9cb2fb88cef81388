/**
 * A piece of something larger, as HTTP has it: its bytes, with where they stand in the whole (RFC 9110, 14).
 *
 * Guarantees: all of something is a 200, and anything less a 206 with its `Content-Range`, whose whole is `*` while more may come; a
 * `Range` is one of bytes, and one that nothing can be given of is a 416 with the size; who asks for JSON gets the message instead,
 * as gRPC peers do.
 */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { InvalidFieldError } from '../../../base/errors.js';
import { HttpError } from './problem.js';

/** Nothing a browser would do more with than show it: answers may not be taken for another type. */
export const PIECE_TYPE = 'text/plain; charset=utf-8';

const RANGE = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/;

const Piece = z.object({
  content: z.string().default(''),
  offset: z.int().default(0),
  size: z.int().default(0),
  complete: z.boolean().default(false),
});

/** Whether the bytes themselves are wanted: anything else than JSON alone. */
export function wantsBytes({ headers: { accept = '' } }: Pick<FastifyRequest, 'headers'>): boolean {
  return !/^\s*application\/json\b/.test(accept);
}

/** The request with what its `Range` says. @throws InvalidFieldError, HttpError 416 */
export function withRange(
  request: Readonly<Record<string, unknown>>,
  { headers: { range } }: Pick<FastifyRequest, 'headers'>,
): Readonly<Record<string, unknown>> {
  if (range === undefined) return request;
  const [, from, to = '', last] = RANGE.exec(range) ?? [];
  if (from === undefined && last === undefined)
    throw new InvalidFieldError(
      'Range',
      'must be one range of bytes, as bytes=0-1023, bytes=1024- or bytes=-100',
    );
  for (const field of ['offset', 'length'])
    if (request[field] !== undefined)
      throw new InvalidFieldError(field, 'is said by the Range; leave one of the two out');
  if (last !== undefined) {
    // Nothing is asked for, as by who asks behind the end: there it is known how much there is.
    if (Number(last) === 0) return { ...request, offset: Number.MAX_SAFE_INTEGER };
    return { ...request, offset: -Number(last) };
  }
  if (to === '') return { ...request, offset: Number(from) };
  const length = Number(to) - Number(from) + 1;
  if (length < 1) throw new InvalidFieldError('Range', 'must not end before it begins');
  return { ...request, offset: Number(from), length };
}

/** @param told the message, as JSON has it. Who wanted more than may be given at once asks again behind the piece. */
export function sendPiece(request: FastifyRequest, reply: FastifyReply, told: object): Buffer {
  const { content, offset, size, complete } = Piece.parse(told);
  const bytes = Buffer.from(content, 'base64');
  if (request.headers.range !== undefined && bytes.length === 0) throw unsatisfiable(size);
  reply.type(PIECE_TYPE).header('accept-ranges', 'bytes');
  if (complete && offset === 0 && bytes.length === size && request.headers.range === undefined) return bytes;
  // What is empty has no place that could be named.
  if (bytes.length > 0) {
    const range = `bytes ${offset}-${offset + bytes.length - 1}/${complete ? size : '*'}`;
    reply.code(206).header('content-range', range);
  }
  return bytes;
}

function unsatisfiable(size: number): HttpError {
  return new HttpError(416, `nothing of it lies in that range; it has ${size} bytes by now`, {
    headers: { 'content-range': `bytes */${size}` },
  });
}
