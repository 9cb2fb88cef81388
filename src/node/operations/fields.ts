/**
 * The fields of requests and answers of operations: zod schemas whose refusals are the sentences of the field rules, and whose
 * limits stand in the OpenAPI document.
 *
 * Guarantee: a schema made of these says what its proto message says, so that the two can be compared field by field. Fields are
 * to be given unless they are `.optional()`; a list is never missing; a text is one that can be stored as it is, so what JSON can
 * say and UTF-8 can't is refused, whatever the rule of the field. `message` names the proto message.
 */

import { z } from 'zod';
import * as rules from '../../base/field-rules.js';

interface FieldOptions {
  /** For the OpenAPI document. */
  readonly description?: string;
}

interface TextOptions extends FieldOptions {
  readonly maxLength?: number;
  readonly pattern?: string;
}

const explicitFields = new WeakSet<object>();

/** A field of which the proto file says `optional`: its zero is a value, and not the same as none. */
export function explicit<Schema extends z.ZodType>(schema: Schema): z.ZodOptional<Schema> {
  const optional = schema.optional();
  explicitFields.add(optional);
  return optional;
}

export function isExplicit(schema: z.ZodType): boolean {
  return explicitFields.has(schema);
}

export function text(rule: rules.TextRule = () => undefined, options: TextOptions = {}) {
  return z
    .string({ error: ({ input }) => (input === undefined ? 'is missing' : 'must be text') })
    .superRefine((value, context) => {
      const problem = rules.isUnicode(value) ?? rule(value);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .meta({ ...options });
}

export function id(options: FieldOptions = {}) {
  return text(rules.isId, { maxLength: 64, pattern: rules.ID_PATTERN.source, ...options });
}

/** Of answers: `bytes` of the proto file, base64 in JSON. */
export function bytes(options: FieldOptions = {}) {
  return z
    .preprocess(
      (value) => (value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value),
      z.base64('must be base64'),
    )
    .meta({ ...options });
}

/** Both ends count. */
export function whole(from: number, to: number, options: FieldOptions = {}) {
  const rule = rules.isWhole(from, to);
  const error = ({ input }: { readonly input?: unknown }) => {
    if (input === undefined) return 'is missing';
    return typeof input === 'number' ? rule(input) : `must be a whole number from ${from} to ${to}`;
  };
  return z
    .int({ error })
    .min(from, { error })
    .max(to, { error })
    .meta({ ...options });
}

const LARGEST_INT32 = 2 ** 31 - 1;

export function int32(options: FieldOptions = {}) {
  return whole(-LARGEST_INT32 - 1, LARGEST_INT32, options);
}

/** As far as a JSON number holds it exactly. */
export function int64(options: FieldOptions = {}) {
  return whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, options);
}

/** @param rule of all that is a number, infinite ones and NaN too */
export function number(
  rule: rules.NumberRule = rules.isNumber(-Infinity, Infinity),
  options: FieldOptions = {},
) {
  return z
    .number({
      error: ({ input }) => {
        if (input === undefined) return 'is missing';
        return typeof input === 'number' ? rule(input) : 'must be a number';
      },
    })
    .superRefine((value, context) => {
      const problem = rule(value);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .meta({ ...options });
}

export function flag(options: FieldOptions = {}) {
  return z.boolean('must be true or false').meta({ ...options });
}

interface ListOptions extends FieldOptions {
  /** Entries at the most. */
  readonly most?: number;
  /** How many of them are called. */
  readonly noun?: string;
}

/** Never missing: one without entries is empty. */
export function list<Schema extends z.ZodType>(
  of: Schema,
  { most, noun = 'entries', ...options }: ListOptions = {},
) {
  const all = z.array(of, 'must be a list');
  const some = most === undefined ? all : all.max(most, `must be at most ${most} ${noun}`);
  return some.default([]).meta({ ...options });
}

export function oneOf<const Choice extends string>(choices: readonly Choice[], options: FieldOptions = {}) {
  const rule = rules.isOneOf(...choices);
  return z
    .enum(choices, {
      error: ({ input }) => {
        if (input === undefined) return 'is missing';
        return typeof input === 'string' ? rule(input) : `must be one of ${choices.join(', ')}`;
      },
    })
    .meta({ ...options });
}

/** The message of a request: a field that it does not have is refused. */
export function request<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, 'must be an object');
}

/** A message of answers, by its full name in the proto file; the document has it once under this name. */
export function message<Shape extends z.ZodRawShape>(name: string, shape: Shape) {
  return z.object(shape).meta({ id: name });
}
