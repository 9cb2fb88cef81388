/** Checks of what was read from a file or a socket, field by field. */

export type Check = (value: unknown) => boolean;
/** One for each field. */
export type Checks<T> = Readonly<Record<keyof T, Check>>;

export const isText: Check = (value) => typeof value === 'string';
export const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
export const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
export const isTime = isNumber;
export const isBoolean: Check = (value) => typeof value === 'boolean';
export const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
export const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
export const orMissing =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

/** Other fields than those that are checked may be anything. */
export function fits<T>(value: unknown, checks: Checks<T>): value is T {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.entries<Check>(checks).every(([name, check]) => check(Reflect.get(value, name)))
  );
}
