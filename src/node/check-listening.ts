/**
 * Whether a node could listen where it is to: names have addresses, this machine has those, and no two servers of it want the same.
 *
 * Guarantee: no port is asked for but a free one, for a moment, so that neither a node that runs nor who calls it notices.
 */

import { BlockList, createServer, isIPv4, isIPv6 } from 'node:net';
import { type Address, parseAddress } from '../base/address.js';
import type { NodeConfig } from './config/node-section.js';
import type { Findings } from './findings.js';
import { addressesOf, notListening } from './serving/connections.js';

const KEYS = ['listen', 'http_listen'] as const;

interface Listener {
  readonly key: string;
  /** As it was written. */
  readonly text: string;
  readonly port: number;
  /** IP addresses; the name where it has none. */
  readonly hosts: readonly string[];
}

export async function checkListening(
  findings: Findings,
  config: NodeConfig,
  isWrong: (path: readonly string[]) => boolean,
): Promise<void> {
  const listeners: Listener[] = [];
  for (const key of KEYS) {
    const text = config[key];
    const address = parseAddress(text ?? '');
    if (text === undefined || address === undefined || isWrong([key])) continue;
    const hosts = await findings.look([key], () => hostsHere(text, address));
    listeners.push({ key, text, port: address.port, hosts: hosts ?? [address.host] });
  }
  for (const [at, one] of listeners.entries())
    for (const other of listeners.slice(at + 1)) {
      if (one.port !== other.port || one.port === 0) continue;
      const clash = one.hosts.some((host) => other.hosts.some((another) => overlap(host, another)));
      if (clash) findings.add({ path: [other.key], text: clashOf(one, other) });
    }
}

function clashOf(one: Listener, other: Listener): string {
  const rule = `${other.key} must be another address than ${one.key}`;
  return one.text === other.text
    ? `${rule}, which is ${one.text} too`
    : `${rule}: ${one.text} takes ${other.text} as well, or the other way round`;
}

/** @throws OwlError kind `refused` as a start would */
async function hostsHere(text: string, address: Address): Promise<readonly string[]> {
  try {
    const hosts = await addressesOf(address);
    for (const host of hosts) await takeFreePort(host);
    return hosts;
  } catch (error) {
    throw notListening(text, error);
  }
}

/** What the machine says counts: lists of interfaces leave out those that are down, and addresses that are routed here. */
function takeFreePort(host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ host, port: 0, exclusive: true }, () => server.close(() => resolve()));
  });
}

function overlap(one: string, other: string): boolean {
  return one === other || takes(one, other) || takes(other, one);
}

/** Whether who listens at the one on a port leaves the other to nobody else. All of IPv6 takes all of IPv4 with it. */
function takes(one: string, other: string): boolean {
  if (!isIP(one) || !isIP(other)) return false;
  const [host, zone] = one.split('%');
  const [otherHost, otherZone] = other.split('%');
  if (host === undefined || otherHost === undefined || zone !== otherZone) return false;
  if (isIPv6(host) && /^[0:]+$/.test(host)) return true;
  const list = new BlockList();
  if (host === '0.0.0.0') list.addSubnet(host, 0, 'ipv4');
  else list.addAddress(host, familyOf(host));
  return list.check(otherHost, familyOf(otherHost));
}

function isIP(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}

function familyOf(host: string): 'ipv4' | 'ipv6' {
  return isIPv4(host) ? 'ipv4' : 'ipv6';
}
