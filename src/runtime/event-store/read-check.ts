/** What every adapter refuses of the options of a read, before it reads. */

import { OwlError } from '../../base/errors.js';

/** @throws OwlError kind `invalid` unless it is an integer that is not below `lowest` */
export function checkCount(name: string, value: number, lowest: number): number {
  if (Number.isSafeInteger(value) && value >= lowest) return value;
  throw new OwlError('invalid', `${name} must be an integer from ${lowest}, not ${value}`);
}
