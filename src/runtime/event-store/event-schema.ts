/**
 * What an event type holds, as plain data beside the machine that consumes it. From one declaration come the TypeScript
 * type of the event, the check before it is stored, and the way older versions become the current one when they are read.
 *
 *     JobCreated: {
 *       version: 1,
 *       fields: {
 *         executable: textUpTo(50),
 *         timeout_seconds: 'integer?',
 *         inputs: listOf(record({ name: 'text', size: 'int64', check_sum: 'text?' }), { most: 1000 }),
 *         labels: optional(mapOf('text')),
 *       },
 *     }
 *
 * Event data is plain JSON, and machines consume it as it is. Whatever grows has a limit: what is declared, or else the one
 * below. Limits are for what is appended. What is stored stays readable, so they may change without a new version.
 */

import type { JsonObject } from './event-store.js';

/**
 * - `text`: any text;
 * - `number`: a finite one. -0 is stored as 0;
 * - `integer`: a whole number that JavaScript holds exactly, up to 2^53 - 1 either way;
 * - `int64`: a whole number from -2^63 to 2^63 - 1 as decimal text: no plus, no zeros in front, no -0;
 * - `bytes`: as base64 text with its padding.
 */
export type FieldKind = 'text' | 'number' | 'integer' | 'boolean' | 'int64' | 'bytes';

/** The limits of what declares none. */
export const LIMITS = {
  /** Items of a list, keys of a map. */
  most: 1_000,
  /** UTF-16 units of a text in a list, a map or a record; bytes of `bytes`. A text that is a field of the event has its room. */
  longest: 64 * 1024,
  /** UTF-16 units of a map's key. */
  longestKey: 256,
  /** Lists, maps and records in one another. */
  levels: 8,
} as const;

export interface Most {
  /** Items of a list, keys of a map. */
  readonly most?: number;
}

/** A text or bytes with a length of its own. */
export interface LimitedSpec<K extends 'text' | 'bytes'> {
  readonly kind: K;
  /** UTF-16 units of a text; bytes. */
  readonly longest: number;
}
export interface ListSpec<S = unknown> {
  readonly kind: 'list';
  readonly of: S;
  readonly most: number;
}
export interface MapSpec<S = unknown> {
  readonly kind: 'map';
  readonly of: S;
  readonly most: number;
}
export interface RecordSpec<F = unknown> {
  readonly kind: 'record';
  readonly fields: F;
}
export interface OptionalSpec<S = unknown> {
  readonly kind: 'optional';
  readonly of: S;
}

/** What an item of a list and a value of a map may be. */
export type ValueSpec =
  | FieldKind
  | LimitedSpec<'text'>
  | LimitedSpec<'bytes'>
  | ListSpec<ValueSpec>
  | MapSpec<ValueSpec>
  | RecordSpec<FieldSpecs>;
/** A trailing `?`, or `optional(…)`, marks a field that may be missing. */
export type FieldSpec = ValueSpec | `${FieldKind}?` | OptionalSpec<ValueSpec>;
/** Not a Record: a type may refer to itself in an interface only. */
export interface FieldSpecs {
  readonly [name: string]: FieldSpec;
}

export interface EventSchema {
  /** Current version, from 1. Raise it with every change that an older reader or an older event would not survive. */
  readonly version: number;
  readonly fields: FieldSpecs;
  /** `upcasts[n]` makes version n+1's data of version n's. One for every version before the current one. Pure. */
  readonly upcasts?: Readonly<Record<number, (data: JsonObject) => JsonObject>>;
}

export type EventSchemas = Readonly<Record<string, EventSchema>>;

/** @param longest UTF-16 units */
export function textUpTo(longest: number): LimitedSpec<'text'> {
  return { kind: 'text', longest };
}

/** @param longest bytes, of which base64 makes a third more characters */
export function bytesUpTo(longest: number): LimitedSpec<'bytes'> {
  return { kind: 'bytes', longest };
}

export function listOf<const S extends ValueSpec>(of: S, { most = LIMITS.most }: Most = {}): ListSpec<S> {
  return { kind: 'list', of, most };
}

/**
 * Keys are not empty, well-formed Unicode and never `__proto__`. Their order means nothing: a store may give another one. Ask
 * for a key with `Object.hasOwn`, for a map is a plain object and there are keys such as `constructor`.
 */
export function mapOf<const S extends ValueSpec>(of: S, { most = LIMITS.most }: Most = {}): MapSpec<S> {
  return { kind: 'map', of, most };
}

export function record<const F extends FieldSpecs>(fields: F): RecordSpec<F> {
  return { kind: 'record', fields };
}

export function optional<const S extends ValueSpec>(of: S): OptionalSpec<S> {
  return { kind: 'optional', of };
}

interface KindTypes {
  text: string;
  number: number;
  integer: number;
  boolean: boolean;
  int64: string;
  bytes: string;
}

/** The TypeScript type of a value that was declared so. */
export type ValueOf<S> = S extends `${infer K extends FieldKind}?`
  ? KindTypes[K]
  : S extends FieldKind
    ? KindTypes[S]
    : S extends LimitedSpec<'text' | 'bytes'>
      ? string
      : S extends ListSpec<infer I>
        ? readonly ValueOf<I>[]
        : S extends MapSpec<infer V>
          ? { readonly [key: string]: ValueOf<V> }
          : S extends RecordSpec<infer F>
            ? DataOf<F>
            : S extends OptionalSpec<infer O>
              ? ValueOf<O>
              : never;
type OptionalNames<F> = {
  [N in keyof F]: F[N] extends `${string}?` | OptionalSpec ? N : never;
}[keyof F];

export type DataOf<F> = { readonly [N in Exclude<keyof F, OptionalNames<F>>]: ValueOf<F[N]> } & {
  readonly [N in OptionalNames<F>]?: ValueOf<F[N]>;
};

/** The union of the events a set of schemas declares: `{ type, data }`, which is what machines consume and stores hold. */
export type EventsOf<S extends EventSchemas> = {
  [T in keyof S & string]: { readonly type: T; readonly data: DataOf<S[T]['fields']> };
}[keyof S & string];
