/** Where a text stops being JSON: what `JSON.parse` says of it differs between versions of Node, and may repeat the text. */

export interface JsonFault {
  /** From 1. */
  readonly line: number;
  /** From 1, in characters of UTF-16. */
  readonly column: number;
}

const SPACE = /[ \t\r\n]*/y;
/** Of control characters those from 007F on may stand in it. */
const TEXT = /"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const OTHER = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![0-9A-Za-z_.+-])/y;

/** Undefined when it is JSON. */
export function jsonFault(text: string): JsonFault | undefined {
  const offset = offsetOfFault(text);
  if (offset === undefined) return undefined;
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** What may stand next: a value, the first of a list or its end, a key, the first of an object or its end, or what follows a value. */
type Next = 'value' | 'value or ]' | 'key' | 'key or }' | 'after';

function offsetOfFault(text: string): number | undefined {
  const ends: string[] = [];
  let next: Next = 'value';
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const isThere = pattern.test(text);
    if (isThere) at = pattern.lastIndex;
    return isThere;
  };
  for (;;) {
    take(SPACE);
    const sign = text[at];
    if (next === 'after' && ends.length === 0) return sign === undefined ? undefined : at;
    const isEnd = sign !== undefined && sign === ends.at(-1);
    if (isEnd && next !== 'value' && next !== 'key') {
      ends.pop();
      at += 1;
      next = 'after';
    } else if (next === 'after') {
      if (sign !== ',') return at;
      at += 1;
      next = ends.at(-1) === '}' ? 'key' : 'value';
    } else if (next === 'key' || next === 'key or }') {
      if (!take(TEXT)) return at;
      take(SPACE);
      if (text[at] !== ':') return at;
      at += 1;
      next = 'value';
    } else if (sign === '{' || sign === '[') {
      ends.push(sign === '{' ? '}' : ']');
      at += 1;
      next = sign === '{' ? 'key or }' : 'value or ]';
    } else if (take(TEXT) || take(OTHER)) next = 'after';
    else return at;
  }
}
