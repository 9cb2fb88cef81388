/** The column that says why nothing happens. */

import type { Column } from './table.js';

/** Terminals narrower than this have room for why, and for little else. */
const NARROW = 80;

/** Where there is little room it is the last column to go: why nothing happens is what people look for. */
export function remarksColumn(
  width: number,
  rank: number,
  least: number,
): Column<{ readonly remarks?: string }> {
  const place =
    width < NARROW ? { rank: 0.5, least: Math.min(least, Math.max(8, width - 28)) } : { rank, least };
  return { title: 'REMARKS', ...place, value: ({ remarks = '' }) => remarks };
}
