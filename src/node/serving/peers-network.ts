/** From where a peer connects. */

import { isIPv6 } from 'node:net';

/** Of an IPv6 address, that say whose it is: who has one has the whole of its network. */
const GROUPS_OF_A_NETWORK = 4;
const GROUPS = 8;

/** @returns the same for all addresses that one host may have: an IPv4 address itself, of IPv6 the network (/64). */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [bare = '', zone] = address.split('%');
  const [before = '', after] = bare.toLowerCase().split('::');
  const first = groupsIn(before);
  const last = groupsIn(after ?? '');
  const left = new Array<string>(Math.max(0, GROUPS - first.length - last.length)).fill('0');
  const network = [...first, ...left, ...last].slice(0, GROUPS_OF_A_NETWORK);
  return `${network.join(':')}::/64${zone === undefined ? '' : `%${zone}`}`;
}

function groupsIn(text: string): string[] {
  if (text === '') return [];
  // The last one may be written as an IPv4 address, which is two.
  return text
    .split(':')
    .flatMap((group) => (group.includes('.') ? ['', group] : [group.replace(/^0+(?=.)/, '')]));
}
