/** How UUIDs are written, and ids that follow from a name. Guarantee of these: equal names give equal ids everywhere and in every release. */

import { hash } from 'node:crypto';

/** A UUID made in the way of version 5. The name has a namespace of its own at its beginning. */
export function uuidOf(name: string): string {
  const hex = hash('sha1', name, 'hex');
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** As it is compared, stored and shown: with dashes, lower case. @param given 32 hex digits, with or without dashes */
export function asUuid(given: string): string {
  const hex = given.replaceAll('-', '').toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
