/**
 * What an event type holds, as plain data beside the machine that consumes it. From one declaration come the TypeScript
 * type of the event, the check before it is stored, and the way older versions become the current one when they are read.
 */

import type { JsonObject } from './event-store.js';

export type FieldKind = 'text' | 'number' | 'integer' | 'boolean';
/** A trailing `?` marks a field that may be missing. */
export type FieldSpec = FieldKind | `${FieldKind}?`;

export interface EventSchema {
  /** Current version, from 1. Raise it with every change that an older reader or an older event would not survive. */
  readonly version: number;
  readonly fields: Readonly<Record<string, FieldSpec>>;
  /** `upcasts[n]` makes version n+1's data of version n's. One for every version before the current one. Pure. */
  readonly upcasts?: Readonly<Record<number, (data: JsonObject) => JsonObject>>;
}

export type EventSchemas = Readonly<Record<string, EventSchema>>;

interface KindTypes {
  text: string;
  number: number;
  integer: number;
  boolean: boolean;
}
type KindOf<S> = S extends `${infer K extends FieldKind}?`
  ? KindTypes[K]
  : S extends FieldKind
    ? KindTypes[S]
    : never;
type OptionalNames<F> = { [N in keyof F]: F[N] extends `${string}?` ? N : never }[keyof F];

export type DataOf<F> = { readonly [N in Exclude<keyof F, OptionalNames<F>>]: KindOf<F[N]> } & {
  readonly [N in OptionalNames<F>]?: KindOf<F[N]>;
};

/** The union of the events a set of schemas declares: `{ type, data }`, which is what machines consume and stores hold. */
export type EventsOf<S extends EventSchemas> = {
  [T in keyof S & string]: { readonly type: T; readonly data: DataOf<S[T]['fields']> };
}[keyof S & string];
