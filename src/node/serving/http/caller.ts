/**
 * Who asks, as the request and its connection show it.
 *
 * Guarantee: one counts as of this machine only where its connection has both ends here, the node is called by a name of this
 * machine, and no proxy says that it passed it on. One that says nothing and calls the node `localhost` looks like it.
 */

import type { FastifyRequest } from 'fastify';
import type { ShownCertificate } from '../../access/access.js';
import type { AskedOverHttp, Authorise, LetIn } from '../../access/http-access.js';
import { isLoopback, isLoopbackHost } from '../../access/loopback.js';
import { connectionOf } from '../connections.js';
import { plain } from './guard.js';

type Asked = Pick<AskedOverHttp, 'operation' | 'servedAsBefore' | 'request'>;
type Request = Pick<FastifyRequest, 'raw' | 'headers'>;

/** @throws OwlError kind `unauthenticated`, `forbidden` or `unavailable` */
export type Admit = (request: Request, asked: Asked) => LetIn;

/** The connections that requests come on, by what `connectionOf` calls them. */
export interface RequestConnections {
  certificateOf(connection: string): ShownCertificate | undefined;
  /** Somebody was let in on it. */
  letIn(connection: string): void;
}

export function admitBy(authorise: Authorise, connections: RequestConnections): Admit {
  return ({ raw: { socket }, headers }, asked) => {
    const address = plain(socket.remoteAddress);
    const connection = connectionOf(socket) ?? '';
    const letIn = authorise({
      ...asked,
      address,
      isLocal: isLoopbackHost(address) && isLoopbackHost(plain(socket.localAddress)) && isForHere(headers),
      authorization: headers.authorization,
      certificate: connections.certificateOf(connection),
    });
    connections.letIn(connection);
    return letIn;
  };
}

/** Proxies say so by one of them. */
const PASSED_ON = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

function isForHere(headers: FastifyRequest['headers']): boolean {
  const { host = '' } = headers;
  const isOurs = isLoopback(/:\d{1,5}$/.test(host) ? host : `${host}:80`);
  return isOurs && PASSED_ON.every((name) => headers[name] === undefined);
}
