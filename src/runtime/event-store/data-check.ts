/**
 * The check of one event type's data, compiled from its fields. It runs for every event that is appended or read, so it looks
 * at the fields an event has, not at all that it may have (a progress event has 2 of 130).
 *
 * Guarantees: what passes comes back from its JSON as it was (-0 as 0), and holds nothing that its schema does not name.
 * A problem names the place, `outputs[3].size` for instance. However deep or large a value is, the check goes no deeper than
 * the schema, and a message shows its beginning only.
 */

import { OwlError } from '../../base/errors.js';
import { type FieldKind, type FieldSpec, type FieldSpecs, LIMITS, type ValueSpec } from './event-schema.js';
import { isJsonObject, type JsonObject } from './event-store.js';
import { isInt64, lengthOfBase64 } from './value-forms.js';

/**
 * Says what is wrong, as the end of a sentence that begins with the event; undefined when nothing is. Limits of length are
 * for what is appended: what is stored is not lost because a schema has narrower ones by now.
 */
export type CheckData = (data: JsonObject, when?: 'appended' | 'read') => string | undefined;

/** What does not fit: a sentence with the place in its middle. The place begins below the value that was looked at. */
interface Misfit {
  readonly before: string;
  readonly path: string;
  readonly after: string;
}

interface Rule {
  find(value: unknown, limited: boolean): Misfit | undefined;
}

/** @throws OwlError kind `invalid` for fields that no event can have, as the end of a sentence that begins with the event */
export function compileCheck(fields: FieldSpecs): CheckData {
  const { find } = recordRule(fields, '', 0);
  return (data, when = 'appended') => {
    const misfit = find(data, when === 'appended');
    return misfit === undefined ? undefined : `${misfit.before} ${shown(misfit.path)}${misfit.after}`;
  };
}

const KINDS: Readonly<Record<Exclude<FieldKind, 'text' | 'bytes'>, Rule>> = {
  number: scalarRule('a finite number', (value) => Number.isFinite(value)),
  integer: scalarRule('an integer', (value) => Number.isSafeInteger(value)),
  boolean: scalarRule('true or false', (value) => typeof value === 'boolean'),
  int64: scalarRule('a whole number from -2^63 to 2^63 - 1 as decimal text', isInt64),
};

function scalarRule(wants: string, holds: (value: unknown) => boolean): Rule {
  return { find: (value) => (holds(value) ? undefined : wanted(value, wants)) };
}

function textRule(longest: number): Rule {
  return {
    find: (value, limited) => {
      if (typeof value !== 'string') return wanted(value, 'a text');
      return limited && value.length > longest ? tooMany(value.length, 'characters', longest) : undefined;
    },
  };
}

function bytesRule(longest: number): Rule {
  return {
    find: (value, limited) => {
      const length = lengthOfBase64(value);
      if (length === undefined) return wanted(value, 'bytes as base64 with padding');
      return limited && length > longest ? tooMany(length, 'bytes', longest) : undefined;
    },
  };
}

/**
 * @param path of what has the rule, for faults of the schema itself; empty for a field of the event
 * @param level how many lists, maps and records it is in
 */
function ruleOf(spec: ValueSpec, path: string, level: number): Rule {
  if (typeof spec === 'string') {
    if (spec === 'text') return textRule(level === 0 ? Number.POSITIVE_INFINITY : LIMITS.longest);
    return spec === 'bytes' ? bytesRule(LIMITS.longest) : KINDS[spec];
  }
  if (spec.kind === 'text') return textRule(count(spec.longest, path));
  if (spec.kind === 'bytes') return bytesRule(count(spec.longest, path));
  if (level === LIMITS.levels)
    throw fault(path, `is in more than ${LIMITS.levels} lists, maps and records; make it flatter`);
  if (spec.kind === 'list') return listRule(ruleOf(spec.of, `${path}[]`, level + 1), count(spec.most, path));
  if (spec.kind === 'map') return mapRule(ruleOf(spec.of, `${path}[]`, level + 1), count(spec.most, path));
  const { find } = recordRule(spec.fields, path, level + 1);
  return {
    find: (value, limited) => (isPlainObject(value) ? find(value, limited) : wanted(value, 'a record')),
  };
}

function listRule(item: Rule, most: number): Rule {
  return {
    find: (value, limited) => {
      if (!Array.isArray(value)) return wanted(value, 'a list');
      const items: readonly unknown[] = value;
      if (limited && items.length > most) return tooMany(items.length, 'items', most);
      for (let i = 0; i < items.length; i++) {
        const misfit = item.find(items[i], limited);
        if (misfit !== undefined) return { ...misfit, path: `[${i}]${misfit.path}` };
      }
      return undefined;
    },
  };
}

function mapRule(item: Rule, most: number): Rule {
  return {
    find: (value, limited) => {
      if (!isPlainObject(value)) return wanted(value, 'a map');
      const keys = Object.keys(value);
      if (limited && keys.length > most) return tooMany(keys.length, 'keys', most);
      for (const key of keys) {
        const problem = keyProblem(key, limited);
        if (problem !== undefined)
          return { before: `has the key ${show(key)} in the field`, path: '', after: `, ${problem}` };
        const misfit = item.find(value[key], limited);
        if (misfit !== undefined) return { ...misfit, path: `${step(key)}${misfit.path}` };
      }
      return undefined;
    },
  };
}

/** `__proto__` is refused for the code that will one day write `copy[key] = value`. */
function keyProblem(key: string, limited: boolean): string | undefined {
  if (key === '') return 'whose keys are not empty';
  if (key === '__proto__') return 'which takes any other key';
  if (HALF_OF_A_PAIR.test(key)) return 'whose keys are well-formed Unicode';
  if (limited && key.length > LIMITS.longestKey)
    return `whose keys have at most ${LIMITS.longestKey} characters`;
  return undefined;
}

const HALF_OF_A_PAIR = /\p{Cs}/u;

/** Of a value that is an object. */
function recordRule(fields: FieldSpecs, path: string, level: number) {
  const rules = new Map<string, Rule>();
  const required: string[] = [];
  for (const [name, spec] of Object.entries(fields)) {
    const at = `${path}${step(name)}`;
    // A name that every object has would look as if it were given.
    if (name === '' || name in {}) throw fault(at, 'has a name that no field can have; rename it');
    const [value, isOptional] = withoutOptional(spec);
    rules.set(name, ruleOf(value, at, level));
    if (!isOptional) required.push(name);
  }
  const find = (data: Fields, limited: boolean): Misfit | undefined => {
    for (const name of required) {
      if (data[name] === undefined) return { before: 'lacks the field', path: step(name), after: '' };
    }
    for (const name of Object.keys(data)) {
      const rule = rules.get(name);
      if (rule === undefined)
        return { before: 'has a field', path: step(name), after: ' that its schema does not know' };
      const value = data[name];
      // JSON leaves out what is undefined, so such a field is one that is missing.
      if (value === undefined) continue;
      const misfit = rule.find(value, limited);
      if (misfit !== undefined) return { ...misfit, path: `${step(name)}${misfit.path}` };
    }
    return undefined;
  };
  return { find };
}

type Fields = Readonly<Record<string, unknown>>;

/** What JSON gives back as it was: no instance of a class. */
function isPlainObject(value: unknown): value is Fields {
  if (!isJsonObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function withoutOptional(spec: FieldSpec): readonly [value: ValueSpec, isOptional: boolean] {
  switch (spec) {
    case 'text?':
      return ['text', true];
    case 'number?':
      return ['number', true];
    case 'integer?':
      return ['integer', true];
    case 'boolean?':
      return ['boolean', true];
    case 'int64?':
      return ['int64', true];
    case 'bytes?':
      return ['bytes', true];
    default:
      return typeof spec === 'object' && spec.kind === 'optional' ? [spec.of, true] : [spec, false];
  }
}

function count(limit: number, path: string): number {
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw fault(path, `has the limit ${limit}; limits are integers from 1`);
}

function fault(path: string, problem: string): OwlError {
  return new OwlError('invalid', `declares the field ${shown(path)}, which ${problem}`);
}

function wanted(value: unknown, wants: string): Misfit {
  return { before: `has ${show(value)} in the field`, path: '', after: `, which takes ${wants}` };
}

function tooMany(found: number, what: string, most: number): Misfit {
  return { before: `has ${found} ${what} in the field`, path: '', after: `, which takes at most ${most}` };
}

/** From a value to one below it. */
function step(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${show(name)}]`;
}

/** As the whole path of a field. */
function shown(path: string): string {
  return path.startsWith('.') ? path.slice(1) : path;
}

const SHOWN_CHARACTERS = 60;

/** Short enough for a message, and NaN and infinities as they are. */
function show(value: unknown): string {
  const text = typeof value === 'object' || typeof value === 'string' ? json(value) : String(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

function json(value: unknown): string {
  try {
    // JSON makes no character shorter.
    return (
      JSON.stringify(typeof value === 'string' ? value.slice(0, SHOWN_CHARACTERS + 1) : value) ?? 'nothing'
    );
  } catch {
    return 'what has no JSON form';
  }
}
