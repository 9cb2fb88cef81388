/**
 * HOST:PORT as people write it, in one place for whoever listens and whoever connects. IPv6 hosts stand in brackets, so
 * that the last colon is never ambiguous.
 */

import { isIPv4, isIPv6 } from 'node:net';

export interface Address {
  /** A name or an IP address, without brackets. */
  readonly host: string;
  /** 0 to 65535; 0 asks for any free port and is only good for listening. */
  readonly port: number;
}

export const ADDRESS_RULE =
  'must be HOST:PORT or [IPv6]:PORT with a port from 0 to 65535 (0 takes any free one)';

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/;
const ONLY_DIGITS_AND_DOTS = /^[0-9.]+$/;

/** Undefined when the text breaks `ADDRESS_RULE`. */
export function parseAddress(text: string): Address | undefined {
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (parts === null) return undefined;
  const [, bracketed, plain, digits] = parts;
  const port = Number(digits);
  if (port > 65535) return undefined;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : undefined;
  if (plain === undefined || !isHost(plain)) return undefined;
  return { host: plain, port };
}

export function formatAddress({ host, port }: Address): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a caller on the same machine reaches a service that listens there: "all interfaces" is not a place to call. */
export function localAddress(listen: Address): Address {
  if (listen.host === '0.0.0.0') return { host: '127.0.0.1', port: listen.port };
  if (isIPv6(listen.host) && /^[0:]+$/.test(listen.host)) return { host: '::1', port: listen.port };
  return listen;
}

function isHost(text: string): boolean {
  return ONLY_DIGITS_AND_DOTS.test(text) ? isIPv4(text) : HOST_NAME.test(text);
}
