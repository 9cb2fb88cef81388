/**
 * Answers to what never became a request that a route could be given: node:http would say nothing of why, or nothing at all.
 *
 * Guarantees: it is told as a problem, and its connection ends, since nobody knows where the next request would begin; where an
 * answer is owed to a request before it on that connection, which this would be taken for, the connection is cut instead.
 */

import { type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { HEADERS } from './every-answer.js';
import { HttpError, PROBLEM_TYPE, problemIn } from './problem.js';
import type { UnderWay } from './under-way.js';

/** Bytes of the headers of a request. */
export const LARGEST_HEADERS_BYTES = 16 * 1024;

const BROKEN: Readonly<Record<string, HttpError>> = {
  ERR_HTTP_REQUEST_TIMEOUT: new HttpError(408, 'the request was not there in time'),
  HPE_HEADER_OVERFLOW: new HttpError(431, `headers may have ${LARGEST_HEADERS_BYTES} bytes`),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: new HttpError(413, 'the body has too much beside its content'),
};
const NO_HTTP = new HttpError(400, 'this is no request of HTTP/1.1');
const NO_PROXY = new HttpError(400, 'this is no proxy: a request begins its address with /');

export interface NoRequestOptions {
  readonly underWay: UnderWay;
  /** Told the status of each that was answered. */
  readonly told: (status: number) => void;
}

/** For node:http's `clientError`. */
export function answersNoRequest({ underWay, told }: NoRequestOptions) {
  return (error: NodeJS.ErrnoException, socket: Duplex): void => {
    if (error.code === 'ECONNRESET' || !socket.writable || underWay.owesOn(socket)) socket.destroy();
    else answer(socket, BROKEN[error.code ?? ''] ?? NO_HTTP, told);
  };
}

/** CONNECT, which node:http hangs up on where nobody listens. */
export function refuseTunnels(server: Server, { underWay, told }: NoRequestOptions): void {
  server.on('connect', (_request, socket) => {
    // It is no connection of the server's any more.
    socket.on('error', () => undefined);
    if (underWay.owesOn(socket)) socket.destroy();
    else answer(socket, NO_PROXY, told);
  });
}

function answer(socket: Duplex, error: HttpError, told: NoRequestOptions['told']): void {
  const problem = problemIn(error);
  const { status } = problem;
  const body = JSON.stringify(problem);
  const headers = { ...HEADERS, 'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const start = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, 'connection: close'];
  socket.end(`${start.join('\r\n')}\r\n\r\n${body}`);
  told(status);
}
