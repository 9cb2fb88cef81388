/**
 * The one form of an event's content that a checksum is made of, whichever store holds the event.
 *
 * Guarantees: equal content has one form, in every store and release, whatever the order in which a store keeps the fields of
 * an object; where an event stands (revision, position) is no part of it. The form is JSON after RFC 8785 (no white space,
 * names sorted by their UTF-16 units, numbers and texts as ECMAScript writes them) of the list
 * `[stream, id, type, version, data, metadata]`; see docs/decisions/0032-one-row-format.md.
 */

import { hash } from 'node:crypto';
import { isJsonObject, type JsonObject, type StreamName } from './event-store.js';

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
  if (Array.isArray(value)) return listJson(value, canonicalJson);
  if (!isJsonObject(value)) throw new TypeError('there is no JSON for it');
  return objectJson(value, canonicalJson);
}

/**
 * The same of what was not parsed yet: its JSON is made only where it may give something else than what is there.
 * @param json of the value, as JSON.stringify gives it
 */
export function canonicalJsonOf(value: unknown, json: string): string {
  try {
    return plainJson(value);
  } catch (error) {
    if (error !== NOT_PLAIN) throw error;
    return canonicalJson(JSON.parse(json));
  }
}

const NOT_PLAIN = new TypeError('JSON makes something else of it');

function plainJson(value: unknown): string {
  if (typeof value === 'function' || typeof value === 'symbol') throw NOT_PLAIN;
  if (typeof value !== 'object' || value === null) return scalarJson(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Array.prototype && Array.isArray(value)) return listJson(value, plainJson);
  if (!isJsonObject(value) || (prototype !== Object.prototype && prototype !== null)) throw NOT_PLAIN;
  return objectJson(value, plainJson);
}

function listJson(list: readonly unknown[], itemJson: (item: unknown) => string): string {
  let text = '[';
  for (let i = 0; i < list.length; i++) text += i === 0 ? itemJson(list[i]) : `,${itemJson(list[i])}`;
  return `${text}]`;
}

function objectJson(value: JsonObject, itemJson: (item: unknown) => string): string {
  let text = '';
  for (const [name, begin] of inOrder(Object.keys(value))) {
    const item: unknown = value[name];
    if (item !== undefined) text += `${text === '' ? '' : ','}${begin}${itemJson(item)}`;
  }
  return `{${text}}`;
}

/** A name, and the name as JSON with a colon. */
type Field = readonly [name: string, begin: string];

/** Objects of one kind have the same names, so their order is kept: to find it costs more than all the rest. */
const ORDERS = new Map<string, readonly Field[]>();
const MOST_ORDERS = 1_000;
const LONGEST_ORDER = 1_024;
const BETWEEN = '\u0000';

function inOrder(names: string[]): readonly Field[] {
  const key = names.join(BETWEEN);
  const known = ORDERS.get(key);
  // No name of a known one holds what is between them, so with as many names it is the same.
  if (known !== undefined && known.length === names.length) return known;
  const fields = names.toSorted().map((name): Field => [name, `${JSON.stringify(name)}:`]);
  if (key.length > LONGEST_ORDER || names.some((name) => name.includes(BETWEEN))) return fields;
  if (ORDERS.size >= MOST_ORDERS) ORDERS.clear();
  ORDERS.set(key, fields);
  return fields;
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
