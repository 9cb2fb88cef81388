/**
 * What is wrong with a configuration, as it is told: all of it at once, each problem with the place it stands at, the key, the
 * rule and the value. Guarantee: no message shows a password.
 */

import type { z } from 'zod';
import { OwlError } from '../../base/errors.js';
import { closest } from '../../base/suggestion.js';
import type { ConfigKey } from './config-section.js';

export interface ConfigProblem {
  /** File with line and column, environment variable or flag. */
  readonly place: string;
  /** Empty when it is about the place as a whole. */
  readonly key: string;
  readonly rule: string;
  /** As it is shown, shortened and without credentials; undefined when there is none to show. */
  readonly value: string | undefined;
  /** What to do about it, where the rule does not say it. */
  readonly hint?: string;
}

/** The configuration can't be used. The message tells every problem. */
export class ConfigError extends OwlError {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(describeProblem);
    const [only] = lines;
    const all = `the configuration has ${lines.length} problems:\n  ${lines.join('\n  ')}`;
    super('invalid', lines.length === 1 && only !== undefined ? only : all);
    this.problems = problems;
  }
}

/** What can be configured, as far as messages have to know it. */
export interface KnownKeys {
  readonly keys: readonly ConfigKey[];
  /** Keys that only hold other keys. */
  readonly sections: readonly string[];
  readonly tables: readonly string[];
  readonly schema: z.ZodObject;
  keyAt(path: readonly string[]): ConfigKey | undefined;
}

/** One source of settings. */
export interface Layer {
  readonly values: unknown;
  /** Relative paths count from here. */
  readonly base: string;
  /** What is wrong in it, beside values that break rules. */
  readonly faults: readonly Fault[];
  place(path: readonly string[]): string;
}

/** A problem, and what can't be relied on because of it: a key, a section, an entry of a table; everything where it is empty. */
export interface Fault {
  readonly problem: ConfigProblem;
  /** Undefined when it leaves nothing open. */
  readonly path: readonly string[] | undefined;
}

/** All that breaks a rule in one source. */
export function faultsOf(settings: KnownKeys, layer: Pick<Layer, 'values' | 'place'>): Fault[] {
  const checked = settings.schema.safeParse(withoutEmpty(layer.values));
  if (checked.success) return [];
  const seen = new Set<string>();
  return checked.error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((name) => unknownKey(settings, layer, [...path, name]));
    const key = path.join('.');
    if (seen.has(key)) return [];
    seen.add(key);
    const rule = isLeaf(settings, path) ? issue.message : sectionRule(settings, path);
    const value = valueAt(layer.values, path);
    const hint = isTextUnquoted(settings.keyAt(path), value) ? { hint: 'quote it' } : {};
    const told = value === undefined ? undefined : shown(value);
    const problem = { place: layer.place(path), key, rule, value: told, ...hint };
    return [{ problem, path: wholeOf(settings, path) }];
  });
}

/** The smallest that is of any use: a key, an entry of a table, or a section. */
export function wholeOf(settings: KnownKeys, path: readonly string[]): readonly string[] {
  const table = tableAbove(settings, path);
  if (table !== undefined) return path.slice(0, table.length + 1);
  const key = path.findIndex((_, at) => settings.keyAt(path.slice(0, at + 1)) !== undefined);
  return key < 0 ? path : path.slice(0, key + 1);
}

/** The table that is there, or that this is in. */
function tableAbove({ tables }: KnownKeys, path: readonly string[]): readonly string[] | undefined {
  const key = `${path.join('.')}.`;
  return tables.find((table) => key.startsWith(`${table}.`))?.split('.');
}

/** Lines and columns are numbers. */
export function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  return a.place.localeCompare(b.place, 'en', { numeric: true });
}

/** A number or a truth value to YAML, which would do as text. */
function isTextUnquoted(key: ConfigKey | undefined, value: unknown): boolean {
  const isOther = typeof value === 'number' || typeof value === 'boolean';
  return isOther && key?.kind === 'text' && key.accepts(String(value));
}

/** Within a table or a list every rule speaks for itself. */
function isLeaf(settings: KnownKeys, path: readonly string[]): boolean {
  const isEntry = settings.keyAt(path.slice(0, -1))?.kind === 'list';
  const isInTable = tableAbove(settings, path) !== undefined;
  return isEntry || settings.keyAt(path) !== undefined || isInTable;
}

function sectionRule(settings: KnownKeys, path: readonly string[]): string {
  if (path.length === 0) return 'must hold keys with values, `listen: 127.0.0.1:50051` for instance';
  const names = settings.keys.filter(
    (key) => key.path.length > path.length && key.key.startsWith(`${path.join('.')}.`),
  );
  return `must be a section with keys of its own (${names.map((key) => key.path.at(-1)).join(', ')})`;
}

/** What it was meant as can't be relied on, for somebody wanted it otherwise. */
function unknownKey(
  settings: KnownKeys,
  layer: Pick<Layer, 'values' | 'place'>,
  path: readonly string[],
): Fault {
  const key = path.join('.');
  const all = [...settings.keys.map((known) => known.key), ...settings.sections, ...settings.tables];
  const lastNames = new Map(settings.keys.map((known) => [known.path.at(-1) ?? known.key, known.key]));
  const byLastName = lastNames.get(closest(path.at(-1) ?? key, lastNames.keys()) ?? '');
  const meant = closest(key, all) ?? byLastName;
  const rule = `is not a known key${meant === undefined ? '' : `; did you mean ${meant}?`}`;
  const problem = { place: layer.place(path), key, rule, value: shown(valueAt(layer.values, path)) };
  return { problem, path: tableAbove(settings, path) ? wholeOf(settings, path) : meant?.split('.') };
}

/** One line. */
export function describeProblem({ place, key, rule, value, hint }: ConfigProblem): string {
  const isNamed = key === '' || rule.startsWith(`${key} `) || rule.startsWith(`${key}: `);
  const subject = isNamed ? `${place}: ` : `${place}: ${key} `;
  const advice = hint === undefined ? '' : `; ${hint}`;
  if (value === undefined) return subject + rule + advice;
  const shownValue = rule.startsWith('must ') ? `, not ${value}` : ` (value: ${value})`;
  return subject + rule + shownValue + advice;
}

const LONGEST_SHOWN = 80;

/** A value for a message: as JSON, shortened, and with what may be a password (`//user:password@`, also misspelt) masked. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  const masked = text.replace(/(:?\/\/|:).*@/su, '$1***@');
  return masked.length > LONGEST_SHOWN ? `${masked.slice(0, LONGEST_SHOWN - 1)}…` : masked;
}

export type Tree = { [key: string]: unknown };

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** Lists count their entries from 0. */
export function valueAt(values: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => {
    if (Array.isArray(value)) return value[Number(name)];
    return isTree(value) ? value[name] : undefined;
  }, values);
}

/** What is there without a value counts as not given. */
export function withoutEmpty(values: unknown): unknown {
  if (values === null) return undefined;
  if (!isTree(values)) return values;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, withoutEmpty(value)]));
}
