/**
 * Values that JSON has no form for, as text of one form each: equal values are equal texts. `String(aBigInt)` and
 * `buffer.toString('base64')` make that form.
 */

const DECIMAL = /^(?:0|-?[1-9][0-9]{0,18})$/;
const [LOWEST, HIGHEST] = [-(2n ** 63n), 2n ** 63n - 1n];
/** So many characters, the sign included, fit in any case. */
const SURELY_FITS = 18;

/** Whether it is a whole number from -2^63 to 2^63 - 1 in decimal, without a plus, zeros in front, or the sign of zero. */
export function isInt64(value: unknown): value is string {
  if (typeof value !== 'string' || !DECIMAL.test(value)) return false;
  if (value.length <= SURELY_FITS) return true;
  const number = BigInt(value);
  return number >= LOWEST && number <= HIGHEST;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** The last character before one `=` has two bits too many, before two of them four: all of them 0. */
const ENDS = { '=': /[AEIMQUYcgkosw048]=$/, '==': /[AQgw]==$/ } as const;

/** How many bytes it stands for; undefined for what is no base64 with padding, or not the one of its bytes. */
export function lengthOfBase64(value: unknown): number | undefined {
  if (typeof value !== 'string' || value.length % 4 !== 0 || !BASE64.test(value)) return undefined;
  const bytes = (value.length / 4) * 3;
  if (value.endsWith('==')) return ENDS['=='].test(value.slice(-4)) ? bytes - 2 : undefined;
  if (value.endsWith('=')) return ENDS['='].test(value.slice(-4)) ? bytes - 1 : undefined;
  return bytes;
}
