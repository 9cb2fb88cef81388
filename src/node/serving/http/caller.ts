/** Who asks, as the request and its connection show it. */

import { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import type { AskedOverHttp } from '../../access/http-access.js';
import { isLoopbackHost } from '../../access/loopback.js';
import { shownCertificate } from '../server-tls.js';
import { plain } from './guard.js';

export function callerOf({
  raw: { socket },
  headers,
}: Pick<FastifyRequest, 'raw' | 'headers'>): Pick<
  AskedOverHttp,
  'address' | 'isLocal' | 'authorization' | 'certificate'
> {
  const address = plain(socket.remoteAddress);
  return {
    address,
    isLocal: isLoopbackHost(address) && isLoopbackHost(plain(socket.localAddress)),
    authorization: headers.authorization,
    certificate: socket instanceof TLSSocket ? shownCertificate(socket) : undefined,
  };
}
