/**
 * How the request of an operation is read, whichever road it came by.
 *
 * Guarantees: what has passed is what its schema says; what has not is told with all its problems, each with its field. As in
 * proto3, a zero, an empty text, list or `false` is not given, but where the field is declared with `explicit` (fields.ts).
 */

import { z } from 'zod';
import { type FieldProblem, InvalidFieldError } from '../../base/errors.js';
import { closest } from '../../base/suggestion.js';
import { isExplicit } from './fields.js';

/** @throws InvalidFieldError with every problem */
export function readRequest<Schema extends z.ZodObject>(schema: Schema, given: unknown): z.output<Schema> {
  const parsed = schema.safeParse(givenIn(given, schema));
  if (parsed.success) return parsed.data;
  const [first, ...others] = problemsIn(parsed.error, schema);
  throw new InvalidFieldError(first?.field ?? '', first?.rule ?? 'is not understood', others);
}

/** Each field once: what else is wrong with it may follow from the first. */
function problemsIn(error: z.ZodError, schema: z.ZodType): FieldProblem[] {
  const problems = new Map<string, string>();
  for (const issue of error.issues) {
    for (const [field, rule] of issueOf(issue, schema)) if (!problems.has(field)) problems.set(field, rule);
  }
  return [...problems].map(([field, rule]) => ({ field, rule }));
}

/** Who sends a field that is not there chooses its name, and how many: a longer one, or a further one, is not compared. */
const LONGEST_COMPARED = 64;
const MOST_COMPARED = 20;

function issueOf(issue: z.core.$ZodIssue, schema: z.ZodType): [field: string, rule: string][] {
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(schema, issue.path);
    return issue.keys.map((key, n) => {
      const isCompared = n < MOST_COMPARED && key.length <= LONGEST_COMPARED;
      const meant = isCompared ? closest(key, known) : undefined;
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
      return [[...issue.path, key].join('.'), `is no field of this request${hint}`];
    });
  }
  // Which entry of a list it was says less than its value, which the rule names.
  const path = typeof issue.path.at(-1) === 'number' ? issue.path.slice(0, -1) : issue.path;
  return [[path.length === 0 ? 'body' : path.join('.'), issue.message]];
}

/** The names of the fields of what stands there. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const inner = unwrapped(schema);
  const [step, ...rest] = path;
  if (inner instanceof z.ZodArray) {
    const { element } = inner;
    return element instanceof z.ZodType ? fieldsAt(element, rest) : [];
  }
  if (!(inner instanceof z.ZodObject)) return [];
  const shape: Readonly<Record<string, unknown>> = inner.shape;
  if (step === undefined) return Object.keys(shape);
  const below = shape[String(step)];
  return below instanceof z.ZodType ? fieldsAt(below, rest) : [];
}

function givenIn(value: unknown, schema: z.ZodType): unknown {
  const inner = unwrapped(schema);
  if (Array.isArray(value)) {
    const { element } = inner instanceof z.ZodArray ? inner : { element: undefined };
    return element instanceof z.ZodType ? value.map((one) => givenIn(one, element)) : value;
  }
  if (!(inner instanceof z.ZodObject) || !isObject(value)) return value;
  const shape: Readonly<Record<string, unknown>> = inner.shape;
  const given = Object.entries(value).flatMap(([name, one]) => {
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (!(field instanceof z.ZodType)) return [[name, one] as const];
    return isZero(one) && !isExplicit(field) ? [] : [[name, givenIn(one, field)] as const];
  });
  return Object.fromEntries(given);
}

/** The schema below what says that it may be left out. */
export function unwrapped(schema: z.ZodType): z.ZodType {
  if (!(schema instanceof z.ZodOptional) && !(schema instanceof z.ZodDefault)) return schema;
  const inner = schema.unwrap();
  return inner instanceof z.ZodType ? unwrapped(inner) : schema;
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === '' || value === 0 || value === false || value === undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
