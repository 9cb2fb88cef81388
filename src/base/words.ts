/**
 * The arguments of an order as words, the way people write them on a command line, without a shell: nothing is expanded, and nothing
 * but a quote or a backslash means anything.
 *
 * Guarantee: both ends read them alike, so what a node took at submission no machine refuses.
 *
 * Blanks part words. Between single quotes everything stands for itself; between double quotes a backslash takes a following double
 * quote or backslash as it is; outside of quotes it takes whatever follows as it is. Two quotes with nothing between are an empty word.
 */

import { InvalidFieldError } from './errors.js';

const LONGEST = 255;
/** NUL would end an argument, and a line break an entry of a log. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;
/** A quoted piece, an escaped character, or a run of what is neither. */
const PIECE = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(\s+)/suy;

/** @param field the name of the field, for the message @throws InvalidFieldError that says which rule is broken */
export function wordsOf(args: string, field = 'args'): string[] {
  if (CONTROL.test(args))
    throw new InvalidFieldError(field, 'must hold no NUL, line break or other control character');
  if ([...args].length > LONGEST) throw new InvalidFieldError(field, `must be at most ${LONGEST} characters`);
  const words: string[] = [];
  let word: string | undefined;
  PIECE.lastIndex = 0;
  while (PIECE.lastIndex < args.length) {
    const at = PIECE.lastIndex;
    const found = PIECE.exec(args);
    if (found === null) throw new InvalidFieldError(field, whyNot(args[at] ?? ''));
    const [, single, double, escaped, plain, blank] = found;
    if (blank === undefined)
      word = (word ?? '') + (single ?? double?.replace(/\\(["\\])/gs, '$1') ?? escaped ?? plain ?? '');
    else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

function whyNot(at: string): string {
  return at === '\\'
    ? 'must not end with a backslash'
    : `must close each quote: ${at === '"' ? 'a double' : 'a single'} one stays open`;
}
