/** Ids that follow from a name. Guarantee: equal names give equal ids everywhere and in every release. */

import { hash } from 'node:crypto';

/** A UUID made in the way of version 5. The name has a namespace of its own at its beginning. */
export function uuidOf(name: string): string {
  const hex = hash('sha1', name, 'hex');
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
