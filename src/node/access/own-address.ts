/**
 * Where the node of a data directory answers, written down by itself while it serves: there alone, of all that answers on this
 * machine, goes the token that owl has on it.
 *
 * Guarantee: nothing else is taken for the node, whatever it listens on: not another port, not another address of this machine,
 * and nobody at all once the node has stopped in order. After one that was killed its address counts until the next start.
 */

import { readFileSync, rmSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { type Address, formatAddress, localAddress, parseAddress } from '../../base/address.js';
import { writeFileWhole } from '../../base/durable-file.js';
import { isLoopbackHost } from './loopback.js';

const FILE = 'listening';

/** @param address HOST:PORT as bound */
export function writeOwnAddress(data: string, address: string): void {
  writeFileWhole(join(data, FILE), `${address}\n`);
}

export function forgetOwnAddress(data: string): void {
  rmSync(join(data, FILE), { force: true });
}

/** As it was bound; undefined where no node serves. */
export function ownAddress(data: string): Address | undefined {
  try {
    return parseAddress(readFileSync(join(data, FILE), 'utf8').trim());
  } catch {
    return undefined;
  }
}

/** @param server where a client calls. A name may lead to more than one address, so it counts only as it was bound. */
export function isOwnAddress(data: string, server: Address): boolean {
  const own = ownAddress(data);
  if (own === undefined || own.port !== server.port) return false;
  if (own.host === '0.0.0.0') return isIPv4(server.host) && isLoopbackHost(server.host);
  return [own, localAddress(own)].some((one) => formatAddress(one) === formatAddress(server));
}

/** `localhost` as what the node of this directory is bound to, where another might answer at another of its addresses. */
export function asBound(data: string, server: Address): Address {
  const own = ownAddress(data);
  if (server.host !== 'localhost' || own?.port !== server.port) return server;
  const here = localAddress(own);
  return isLoopbackHost(here.host) ? here : server;
}
