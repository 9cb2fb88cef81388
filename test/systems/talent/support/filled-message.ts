/** Messages of the fleet's contract with a value in every field. */

import { CONTRACT } from './fleet-contract.js';
import type { WireMessage, WireValue } from './wire-bytes.js';

/** Does not fit into 32 bits, as the sizes of a k32 plot don't. */
export const K32_TABLE_1 = 3_425_151_400;

/**
 * No two fields alike where any value does. Floats are 32-bit floats that have no short binary form.
 * @param values by path (`plot_details.ksize`), for fields that can't be just any value
 * @param path of the message, with a dot at its end
 */
export function filledMessage(
  name: string,
  values: Readonly<Record<string, WireValue>>,
  path = '',
  count = { last: 0 },
): WireMessage {
  const message: { [field: string]: WireValue } = {};
  for (const [field, { type }] of Object.entries(CONTRACT[name] ?? {})) {
    const at = path + field;
    count.last++;
    message[field] =
      values[at] ?? scalar(type, at, count.last) ?? filledMessage(type, values, `${at}.`, count);
  }
  return message;
}

function scalar(type: string, path: string, number: number): WireValue | undefined {
  if (type === 'string') return path;
  if (type === 'bool') return true;
  if (type === 'int32') return number;
  if (type === 'int64') return K32_TABLE_1 + number;
  return type === 'float' ? Math.fround(1000 + number + 0.1) : undefined;
}
