/**
 * The TypeScript types that follow from schemas. The compiler is the test: each assignment has to be allowed, and each line
 * behind `@ts-expect-error` has to be refused.
 */

import t from 'tap';
import {
  bytesUpTo,
  type DataOf,
  type EventSchemas,
  type EventsOf,
  listOf,
  mapOf,
  optional,
  record,
  textUpTo,
} from '../../../src/runtime/event-store/event-schema.js';
import type { JsonObject } from '../../../src/runtime/event-store/event-store.js';

const EVENTS = {
  JobCreated: {
    version: 1,
    fields: {
      executable: textUpTo(50),
      rank: 'integer?',
      size: 'int64',
      inputs: listOf(record({ name: 'text', size: 'int64?', urgent: 'boolean?' })),
      labels: optional(mapOf('text')),
      grid: listOf(listOf('number')),
      slots: mapOf(record({ cores: 'integer' })),
      key: optional(bytesUpTo(32)),
      mark: 'bytes?',
    },
  },
  JobEnded: { version: 1, fields: {} },
} as const satisfies EventSchemas;

type Created = DataOf<typeof EVENTS.JobCreated.fields>;

/** True when both are one type, to the letter. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Intersections as one object, all the way down. */
type Plain<T> = T extends readonly (infer I)[]
  ? readonly Plain<I>[]
  : T extends object
    ? { [N in keyof T]: Plain<T[N]> }
    : T;

interface Expected {
  readonly executable: string;
  readonly rank?: number;
  readonly size: string;
  readonly inputs: readonly { readonly name: string; readonly size?: string; readonly urgent?: boolean }[];
  readonly labels?: { readonly [key: string]: string };
  readonly grid: readonly (readonly number[])[];
  readonly slots: { readonly [key: string]: { readonly cores: number } };
  readonly key?: string;
  readonly mark?: string;
}

const CREATED: Created = {
  executable: 'count',
  size: '9007199254740993',
  inputs: [{ name: 'a' }, { name: 'b', size: '1', urgent: true }],
  grid: [[1], []],
  slots: { a: { cores: 1 } },
};

await t.test('data has the type that its fields declare', async (t) => {
  const same: Same<Plain<Created>, Plain<Expected>> = true;
  const asJson: JsonObject = CREATED;
  const event: EventsOf<typeof EVENTS> = { type: 'JobCreated', data: CREATED };
  const nothing: EventsOf<typeof EVENTS> = { type: 'JobEnded', data: {} };
  if (event.type === 'JobCreated') {
    const first: { readonly size?: string } | undefined = event.data.inputs[0];
    const cores: number | undefined = event.data.slots['a']?.cores;
    t.strictSame([first, cores], [{ name: 'a' }, 1]);
  }
  t.strictSame([same, asJson, nothing.type], [true, CREATED, 'JobEnded']);
});

await t.test('and no other', async (t) => {
  // @ts-expect-error a number is no int64
  const size: Created = { ...CREATED, size: 1 };
  // @ts-expect-error an item lacks a field
  const item: Created = { ...CREATED, inputs: [{ size: '1' }] };
  // @ts-expect-error a map of texts
  const label: Created = { ...CREATED, labels: { a: 1 } };
  // @ts-expect-error a field that is optional is left out, not undefined
  const missing: Created = { ...CREATED, key: undefined };
  // @ts-expect-error data is nobody's to change
  const change = (created: Created) => created.inputs.push({ name: 'c' });
  // @ts-expect-error data is nobody's to change
  const set = (created: Created) => delete created.slots['a'];
  // @ts-expect-error there is no such kind
  const kind = listOf('date');
  // @ts-expect-error an item is there or not: it is not optional
  const optionalItem = listOf(optional('text'));
  t.equal([size, item, label, missing, change, set, kind, optionalItem].length, 8);
});
