/** Addresses that this machine alone reaches. */

import { isIPv4, isIPv6 } from 'node:net';
import { parseAddress } from '../../base/address.js';

/** What the configuration says of where others reach the node, `0.0.0.0:50051 and farm:80`; empty when nobody does. */
export function reachedAt({
  listen,
  http_listen: http,
}: {
  readonly listen: string;
  readonly http_listen?: string | undefined;
}): string {
  return [listen, http].filter((one) => one !== undefined && !isLoopback(one)).join(' and ');
}

/** @param address HOST:PORT. A name that is not that of every machine for itself may be anything. */
export function isLoopback(address: string): boolean {
  return isLoopbackHost(parseAddress(address)?.host ?? '');
}

/** @param host a name, or an IP address without brackets */
export function isLoopbackHost(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  if (isIPv6(host)) return /^(0*:)*:?0*1$/.test(host);
  return host.toLowerCase() === 'localhost';
}
