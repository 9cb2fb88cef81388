/** Reads what stands on the command line. Each function takes the text and gives the value, or says what it should have been. */

import { InvalidArgumentError } from 'commander';

/** For an option of commander: a whole number from `from` to `to`. */
export function wholeNumber(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value >= from && value <= to) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${from} to ${to}.`);
  };
}

/** For an option that may be given several times, or once with commas between: one of `allowed` each time. */
export function severalOf(
  allowed: readonly string[],
): (text: string, before: string[] | undefined) => string[] {
  return (text, before = []) => {
    const values = text.split(',').map((value) => value.trim());
    const wrong = values.find((value) => !allowed.includes(value));
    if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is none of ${allowed.join(', ')}.`);
    return [...before, ...values];
  };
}

const SECONDS_OF: ReadonlyMap<string, number> = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86_400],
  ['w', 604_800],
]);
const AGO = /^([0-9]+(?:\.[0-9]+)?)([smhdw])$/;
const LOCAL_DATE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;
const DATE_AND_TIME =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$/;

/**
 * For an option: a point in time as Unix seconds. `2h` is two hours ago; `2026-03-09`, `2026-03-09 14:00` and
 * `2026-03-09T14:00:00Z` are themselves, in local time unless they say otherwise.
 */
export function pointInTime(nowMs: number): (text: string) => number {
  return (text) => {
    const ago = AGO.exec(text);
    const unit = SECONDS_OF.get(ago?.[2] ?? '');
    if (ago?.[1] !== undefined && unit !== undefined) return nowMs / 1000 - Number(ago[1]) * unit;
    const written = LOCAL_DATE.test(text) ? `${text}T00:00:00` : text.replace(' ', 'T');
    const time = LOCAL_DATE.test(text) || DATE_AND_TIME.test(text) ? Date.parse(written) : Number.NaN;
    if (Number.isFinite(time)) return time / 1000;
    throw new InvalidArgumentError('It must be a time like 2h, 3d, 2026-03-09 or "2026-03-09 14:00".');
  };
}
