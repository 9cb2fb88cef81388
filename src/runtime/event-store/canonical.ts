/**
 * The one form of an event's content that a checksum is made of, whichever store holds the event.
 *
 * Guarantees: equal content has one form, in every store and release, whatever the order in which a store keeps the fields of
 * an object; where an event stands (revision, position) is no part of it. The form is JSON after RFC 8785 (no white space,
 * names sorted by their UTF-16 units, numbers and texts as ECMAScript writes them) of the list
 * `[stream, id, type, version, data, metadata]`; see docs/decisions/0032-one-row-format.md.
 */

import { hash } from 'node:crypto';
import { isJsonObject, type StreamName } from './event-store.js';

/** What an event is, apart from data and metadata. */
export interface ContentHead {
  readonly stream: StreamName;
  readonly id: string;
  readonly type: string;
  readonly version: number;
}

/**
 * Takes what JSON.parse gives, and objects with fields that are undefined, which JSON leaves out. What is read or appended is
 * never too deep for it (json-levels.ts).
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return scalarJson(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isJsonObject(value)) throw new TypeError('there is no JSON for it');
  const fields: string[] = [];
  for (const name of Object.keys(value).sort()) {
    const item: unknown = value[name];
    if (item !== undefined) fields.push(`${JSON.stringify(name)}:${canonicalJson(item)}`);
  }
  return `{${fields.join(',')}}`;
}

/** JSON of what is neither list nor object. Numbers come on every hot path: writing them needs no call of JSON. */
export function scalarJson(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  return JSON.stringify(value) ?? 'null';
}

/**
 * @param data canonical JSON
 * @param metadata canonical JSON
 */
export function contentOf(
  { stream, id, type, version }: ContentHead,
  data: string,
  metadata: string,
): string {
  return `[${JSON.stringify(stream)},"${id}",${JSON.stringify(type)},${version},${data},${metadata}]`;
}

/** The first four bytes of the SHA-256 of a content in UTF-8, as a signed integer. */
export function checksumOf(content: string): number {
  return Number.parseInt(hash('sha256', content, 'hex').slice(0, 8), 16) | 0;
}
