/**
 * What can be configured is declared in sections: the node has one, each system has one. A key is declared once, with its
 * rule, default and meaning; the type, the check, the names of environment variables and flags, the help and the test of
 * docs/configuration.md all follow from the declaration.
 *
 * Names follow from the key by rule: `leases.default_seconds` is OWL_LEASES_DEFAULT_SECONDS in the environment and
 * --leases-default-seconds on a command line (where a command offers it).
 */

import { z } from 'zod';

/** The keys of one owner, and how its part of the configuration is read. */
export interface ConfigSection<Config> {
  /** By name at the top of the file: a key, a section of keys, or a table. */
  readonly shape: z.ZodRawShape;
  /** @param values those of this section alone, as they were given; what is missing gets its default */
  parse(values: unknown): Config;
}

/**
 * A system's section is an object of its name, `z.strictObject({ pipelines: z.strictObject({ … }).prefault({}) })`. Each key
 * has a meaning (`meant`, `wholeNumber`). A record in a default is a table: entries under names of their own, in the file only.
 */
export function configSection<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape, z.core.$strict>,
): ConfigSection<z.infer<z.ZodObject<Shape, z.core.$strict>>> {
  return { shape: schema.shape, parse: (values) => schema.parse(values) };
}

export interface ConfigKey {
  /** `leases.default_seconds` */
  readonly key: string;
  readonly path: readonly string[];
  /** `OWL_LEASES_DEFAULT_SECONDS` */
  readonly variable: string;
  /** `--leases-default-seconds` */
  readonly flag: string;
  /** A list is a list in the file, and has commas between its entries elsewhere. */
  readonly kind: 'text' | 'number' | 'list';
  /** Undefined when there is none. Of a list: as it is written elsewhere than in the file. */
  readonly fallback: string | number | undefined;
  readonly rule: string;
  readonly meaning: string;
  /** A relative path counts from where it is said. */
  readonly isPath: boolean;
  /** Whether a value is what it must be. */
  accepts(value: unknown): boolean;
}

export interface KeyMeaning {
  /** What a value must be; the text of every refusal. */
  readonly rule: string;
  readonly meaning: string;
  readonly isPath?: boolean;
}

const meanings = z.registry<KeyMeaning>();

/** Declares what a key means. */
export function meant<Schema extends z.ZodType>(schema: Schema, meaning: KeyMeaning): Schema {
  meanings.add(schema, meaning);
  return schema;
}

/** A key that is a whole number in a range. Both ends count. */
export function wholeNumber(range: { from: number; to: number; otherwise: number }, meaning: string) {
  const rule = `must be a whole number from ${range.from} to ${range.to}`;
  const schema = z.int(rule).min(range.from, rule).max(range.to, rule).default(range.otherwise);
  return meant(schema, { rule, meaning });
}

/** Every key of a section, in the order they are declared; no tables. */
export function keysOf(shape: z.ZodRawShape, above: readonly string[] = []): ConfigKey[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const path = [...above, name];
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : schema;
    if (isTable(schema)) return [];
    if (inner instanceof z.ZodObject) return keysOf(inner.shape, path);
    return [keyAt(path, schema)];
  });
}

/** What holds as many entries as there are, under names of their own: `plotters`, `workload.executables`. */
export function tablesOf(shape: z.ZodRawShape, above: readonly string[] = []): string[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const path = [...above, name];
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : schema;
    if (isTable(schema)) return [path.join('.')];
    return inner instanceof z.ZodObject ? tablesOf(inner.shape, path) : [];
  });
}

function isTable(schema: unknown): boolean {
  return schema instanceof z.ZodDefault && schema.unwrap() instanceof z.ZodRecord;
}

function keyAt(path: readonly string[], schema: unknown): ConfigKey {
  const key = path.join('.');
  const [value, fallback] = unwrapped(schema);
  const meaning = schema instanceof z.ZodType ? meanings.get(schema) : undefined;
  if (meaning === undefined) throw new Error(`the configuration key ${key} is declared without a meaning`);
  return {
    key,
    path,
    variable: `OWL_${path.join('_').toUpperCase()}`,
    flag: `--${path.join('-').replaceAll('_', '-')}`,
    kind: kindOf(value),
    fallback: shownFallback(fallback),
    isPath: false,
    accepts: (given) => schema instanceof z.ZodType && schema.safeParse(given).success,
    ...meaning,
  };
}

function kindOf(value: unknown): ConfigKey['kind'] {
  if (value instanceof z.ZodNumber) return 'number';
  return value instanceof z.ZodArray ? 'list' : 'text';
}

function shownFallback(fallback: unknown): string | number | undefined {
  if (Array.isArray(fallback)) return fallback.join(',');
  return typeof fallback === 'string' || typeof fallback === 'number' ? fallback : undefined;
}

function unwrapped(schema: unknown): [value: unknown, fallback: unknown] {
  if (schema instanceof z.ZodDefault) return [schema.unwrap(), schema.def.defaultValue];
  if (schema instanceof z.ZodOptional) return [schema.unwrap(), undefined];
  return [schema, undefined];
}
