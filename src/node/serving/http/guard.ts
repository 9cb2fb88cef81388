/**
 * What every request has to be before anything else looks at it.
 *
 * Guarantees, against a page in a browser on a machine that reaches this node: a request for a name that is not the node's own is
 * refused, so no page can make its own name lead here (DNS rebinding); so is one that comes from another origin, by `Origin` or
 * by `Sec-Fetch-Site`; what orders something has to say that it is JSON, which no form and no simple request can. There is no
 * CORS: whatever a page asks beforehand is answered like any method that is not there.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { isIPv6 } from 'node:net';
import { parseAddress } from '../../../base/address.js';
import { OwlError } from '../../../base/errors.js';
import { isLoopbackHost } from '../../access/loopback.js';
import { HttpError } from './problem.js';

const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
const ORDERS: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);
/** Fastify reads none of theirs. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'TRACE']);
const USUAL_PORTS = { http: 80, https: 443 } as const;

export interface Guarded {
  readonly method: string;
  /** As it was sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Each that was sent, by name. */
  readonly hosts: readonly string[];
  /** Of this end of the connection. */
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
}

export class Guard {
  private readonly names: ReadonlySet<string>;
  private readonly scheme: 'http' | 'https';

  /** @param names under which the node is called, beside the address of each connection: HOST, or HOST:PORT for another port */
  constructor(names: readonly string[], scheme: 'http' | 'https' = 'http') {
    this.names = new Set(names.map((name) => name.toLowerCase()));
    this.scheme = scheme;
  }

  /** @throws OwlError kind `forbidden`; HttpError 400, 415, 417 */
  check(request: Guarded): void {
    const { headers, method, url, hosts } = request;
    // Who reads the first and who reads the last would not agree on whom it is for.
    if (hosts.length !== 1 || !url.startsWith('/'))
      throw new HttpError(400, 'a request names its host once, in Host, and begins its address with /');
    const host = headers.host?.toLowerCase() ?? '';
    if (!this.isOwn(host, request)) {
      throw new OwlError(
        'forbidden',
        `this node is not called ${shown(host)}; ask for it by its address, or name that in http_hosts`,
      );
    }
    const { origin } = headers;
    const site = headers['sec-fetch-site'];
    if (origin !== undefined && !this.isOwnOrigin(origin.toLowerCase(), host))
      throw new OwlError('forbidden', `pages of ${shown(origin)} may not ask this node`);
    if (site !== undefined && site !== 'same-origin' && site !== 'none')
      throw new OwlError('forbidden', 'pages of another site may not ask this node');
    checkExpectation(headers);
    checkBody(method, headers);
  }

  /** A proxy may speak TLS for a node that does not. */
  private isOwnOrigin(origin: string, host: string): boolean {
    return origin === `https://${host}` || origin === `${this.scheme}://${host}`;
  }

  private isOwn(host: string, { localAddress, localPort }: Guarded): boolean {
    const named = parseAddress(/:\d{1,5}$/.test(host) ? host : `${host}:${USUAL_PORTS[this.scheme]}`);
    if (named === undefined) return false;
    const name = isIPv6(named.host) ? `[${named.host}]` : named.host;
    if (this.names.has(`${name}:${named.port}`)) return true;
    if (named.port !== localPort) return false;
    const here = plain(localAddress);
    if (named.host === here || this.names.has(name)) return true;
    return named.host === 'localhost' && isLoopbackHost(here);
  }
}

/** An IPv4 address also where the system speaks IPv6 of it. */
export function plain(address: string | undefined): string {
  return address?.replace(/^::ffff:/, '') ?? '';
}

/** Whether who expects something else sends its body all the same, nobody knows. */
function checkExpectation({ expect }: IncomingHttpHeaders): void {
  if (expect === undefined || expect.toLowerCase() === '100-continue') return;
  throw new HttpError(417, `nothing but 100-continue can be expected here, not ${shown(expect)}`, {
    headers: { connection: 'close' },
  });
}

function checkBody(method: string, headers: IncomingHttpHeaders): void {
  const { 'content-type': type, 'content-encoding': encoding } = headers;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (hasBody && BODILESS.has(method))
    throw new HttpError(400, `a body of ${method} is not looked at; fields stand in the path and the query`);
  if (encoding !== undefined && encoding !== 'identity')
    throw new HttpError(415, `a body has to come as it is, not as ${shown(encoding)}`);
  if ((ORDERS.has(method) || hasBody) && !JSON_TYPE.test(type ?? ''))
    throw new HttpError(415, `send application/json, not ${type === undefined ? 'nothing' : shown(type)}`);
}

/** What came from outside, in a sentence. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
