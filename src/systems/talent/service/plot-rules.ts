/** What an order of a plot and a report about one may hold, beside the rules for any field (src/base/field-rules.ts). */

import { isLine, isOneOf, isWhole, type TextRule } from '../../../base/field-rules.js';

export const isKsize = isWhole(18, 50);
export const isThreads = isWhole(1, 1024);
/** MiB, up to 16 TiB. */
export const isBuffer = isWhole(1, 16 * 1024 * 1024);
export const isDestType = isOneOf('local', 'nfs');
/** A public key (48 bytes, G1) in hex, as farmers and pools have them. */
const KEY = /^(0x)?[0-9a-fA-F]{96}$/;
/** Where a pool's contract is, in Bech32m: 32 bytes and a checksum. */
const CONTRACT = /^t?xch1[02-9ac-hj-np-z]{58}$/;
export const isFarmerKey: TextRule = (value) =>
  KEY.test(value) ? undefined : 'must be a public key in hex, 96 digits, as `chia keys show` has it';
export const isPoolKey: TextRule = (value) =>
  KEY.test(value) || CONTRACT.test(value)
    ? undefined
    : 'must be a public key in hex, 96 digits, or the address of a pool contract, xch1… with 62 characters';
export const isMemo = isLine(1024);
