/**
 * What a service accepts from its peers, rule by rule. Guarantee: whatever passes can be stored, shown, put into a command
 * line as one argument and compared with other values; whatever does not is an InvalidFieldError that names field and rule.
 */

import { InvalidFieldError } from './errors.js';

/** A rule answers what is wrong with a value, or undefined when nothing is. */
export type TextRule = (value: string) => string | undefined;
export type NumberRule = (value: number) => string | undefined;

export const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/;
const LONGEST_PATH = 4096;
/** A half of a pair alone. Stores and file systems write U+FFFD instead, whichever half it was: what was two is one there. */
const HALF = /\p{Surrogate}/u;
/** NUL and its like, and what breaks a line somewhere: in a terminal, a log or an editor. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Ids of work, workers, sessions and commands: `task_<uuid>`, a UUID, a SHA-256 in hex … */
export const isId: TextRule = (value) =>
  ID_PATTERN.test(value)
    ? undefined
    : 'must be 1 to 64 letters, digits, dots, colons, dashes or underscores, and begin with a letter or digit';

/** Whole Unicode, as everything is that can be written as UTF-8. */
export const isUnicode: TextRule = (value) =>
  HALF.test(value) ? 'must be whole Unicode, without halves of surrogate pairs' : undefined;

/** Absolute, one line, no NUL: it names one place whatever the working directory is. */
export const isAbsolutePath: TextRule = (value) => {
  if (!value.startsWith('/')) return 'must be an absolute path, beginning with /';
  if (CONTROL.test(value)) return 'must hold no NUL, line break or other control character';
  return Buffer.byteLength(value) > LONGEST_PATH ? `must be at most ${LONGEST_PATH} bytes` : undefined;
};

export const isFileName: TextRule = (value) => {
  if (value.includes('/') || value === '.' || value === '..')
    return 'must be a file name without a directory';
  return isLine(255)(value);
};

/** One line of at most `longest` characters. */
export const isLine =
  (longest: number): TextRule =>
  (value) => {
    if (CONTROL.test(value)) return 'must hold no NUL, line break or other control character';
    return value.length > longest ? `must be at most ${longest} characters` : undefined;
  };

/** Text of several lines, for people. */
export const isText =
  (longest: number): TextRule =>
  (value) => {
    if (value.includes('\u0000')) return 'must hold no NUL character';
    return value.length > longest ? `must be at most ${longest} characters` : undefined;
  };

export const isOneOf =
  (...choices: readonly string[]): TextRule =>
  (value) =>
    choices.includes(value) ? undefined : `must be one of ${choices.join(', ')}, not "${value.slice(0, 40)}"`;

/** A whole number from `least` to `most`, both inclusive. */
export const isWhole =
  (least: number, most: number): NumberRule =>
  (value) =>
    Number.isSafeInteger(value) && value >= least && value <= most
      ? undefined
      : `must be a whole number from ${least} to ${most}, not ${value}`;

/** A finite number from `least` to `most`, both inclusive. */
export const isNumber =
  (least: number, most: number): NumberRule =>
  (value) =>
    value >= least && value <= most ? undefined : `must be a number from ${least} to ${most}, not ${value}`;

export const isPid = isWhole(1, 2 ** 31 - 1);
/** Seconds, up to ten years. */
export const isDuration = isNumber(0, 10 * 366 * 86_400);
/** Percent of one core. */
export const isCpu = isNumber(0, 1_000_000);
export const isProgress = isNumber(0, 100);
export const isCount = isWhole(0, Number.MAX_SAFE_INTEGER);
export const isByteCount = isCount;
/** SHA-256 in hex. */
export const isKeyHash: TextRule = (value) =>
  /^[0-9a-f]{64}$/.test(value) ? undefined : 'must be 64 hex digits';
export const isRemarks = isText(16_384);

const BEGINNING_OF_TIMES = Date.UTC(2010, 0, 1) / 1000;
const CLOCKS_MAY_DIFFER_BY = 86_400;

/** A point in time in Unix seconds: not before 2010, and not more than a day ahead of `now`. */
export function isPointInTime(nowSeconds: number): NumberRule {
  return (value) =>
    value >= BEGINNING_OF_TIMES && value <= nowSeconds + CLOCKS_MAY_DIFFER_BY
      ? undefined
      : noPointInTime(value);
}

export function noPointInTime(value: number): string {
  return `must be a time in Unix seconds, from 2010 to a day ahead of now, not ${value}`;
}

/** @throws InvalidFieldError when a rule is broken */
export function check<T>(field: string, value: T, rule: (value: T) => string | undefined): T {
  const problem = rule(value);
  if (problem !== undefined) throw new InvalidFieldError(field, problem);
  return value;
}

/** The value of a field that must be given; proto3 sends no empty text, so empty is missing. */
export function given(field: string, value: string | undefined, rule: TextRule): string {
  if (value === undefined || value === '') throw new InvalidFieldError(field, 'is missing');
  return check(field, value, rule);
}

/** The value of a field that may be left out. */
export function optional(field: string, value: string | undefined, rule: TextRule): string | undefined {
  return value === undefined || value === '' ? undefined : check(field, value, rule);
}

/** The value of a number that must be given; proto3 sends no zero, so zero is missing. */
export function givenNumber(field: string, value: number | undefined, rule: NumberRule): number {
  if (value === undefined || value === 0) throw new InvalidFieldError(field, 'is missing');
  return check(field, value, rule);
}

export function optionalNumber(
  field: string,
  value: number | undefined,
  rule: NumberRule,
): number | undefined {
  return value === undefined || value === 0 ? undefined : check(field, value, rule);
}
