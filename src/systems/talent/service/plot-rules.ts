/** What an order of a plot and a report about one may hold, beside the rules for any field (src/base/field-rules.ts). */

import { isLine, isOneOf, isWhole } from '../../../base/field-rules.js';

export const isKsize = isWhole(18, 50);
export const isThreads = isWhole(1, 1024);
/** MiB, up to 16 TiB. */
export const isBuffer = isWhole(1, 16 * 1024 * 1024);
export const isDestType = isOneOf('local', 'nfs');
export const isKey = isLine(256);
export const isMemo = isLine(1024);
