/**
 * JSON of a large value in pieces, so that others have their turn between two of them.
 *
 * Guarantees: joined, the pieces are what `JSON.stringify` gives; a piece is of about a thousand values, or of one text that is longer
 * than that.
 */

/** Values of one piece; 16 characters of a text count as one. */
const PIECE_VALUES = 1024;

/** @param value plain data: what it holds must not change before the last piece was taken */
export function* jsonPieces(value: unknown): Generator<string> {
  if (!isLarge(value)) {
    yield JSON.stringify(value) ?? 'null';
    return;
  }
  const isList = Array.isArray(value);
  let separator = isList ? '[' : '{';
  let gathered: [string, unknown][] = [];
  let size = 0;
  const flush = function* () {
    const text = JSON.stringify(isList ? gathered.map(([, item]) => item) : Object.fromEntries(gathered));
    gathered = [];
    size = 0;
    if (text.length === 2) return;
    yield separator + text.slice(1, -1);
    separator = ',';
  };
  for (const [name, item] of Object.entries(value)) {
    const own = sizeOf(item, PIECE_VALUES);
    if (size + own > PIECE_VALUES) yield* flush();
    if (own <= PIECE_VALUES || !isStructure(item)) {
      gathered.push([name, item]);
      size += own;
      continue;
    }
    yield isList ? separator : `${separator}${JSON.stringify(name)}:`;
    separator = ',';
    yield* jsonPieces(item);
  }
  yield* flush();
  yield isList ? ']' : '}';
}

function isLarge(value: unknown): value is object {
  return isStructure(value) && sizeOf(value, PIECE_VALUES) > PIECE_VALUES;
}

/** What says by itself how it becomes JSON stays whole. */
function isStructure(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !('toJSON' in value);
}

/** Counts no further than a little beyond the limit. */
function sizeOf(value: unknown, limit: number): number {
  if (typeof value === 'string') return 1 + (value.length >> 4);
  if (typeof value !== 'object' || value === null) return 1;
  let size = 1;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length && size <= limit; at++) size += sizeOf(value[at], limit - size);
    return size;
  }
  for (const item of Object.values(value)) {
    if (size > limit) break;
    size += sizeOf(item, limit - size);
  }
  return size;
}
