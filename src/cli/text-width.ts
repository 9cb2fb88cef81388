/** How many columns text takes on a terminal, and cutting it to fit. Text here has passed `printable` and has no colours. */

const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303F\uFF01-\uFF60\uFFE0-\uFFE6]/u;
const NO_WIDTH = /\p{M}/u;
export const ELLIPSIS = '…';

export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** At most `width` columns; where something is missing stands `…`. `start` keeps the end of the text (as paths want it). */
export function cut(text: string, width: number, missing: 'start' | 'end' = 'end'): string {
  if (textWidth(text) <= width) return text;
  if (width <= 0) return '';
  const characters = missing === 'end' ? [...text] : [...text].reverse();
  let room = width - 1;
  const kept: string[] = [];
  for (const character of characters) {
    room -= characterWidth(character);
    if (room < 0) break;
    kept.push(character);
  }
  return missing === 'end' ? kept.join('') + ELLIPSIS : ELLIPSIS + kept.reverse().join('');
}

export function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)));
  return align === 'left' ? text + space : space + text;
}

/** Lines of at most `width` columns, broken at spaces where there are some. At least one line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (textWidth(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (textWidth(line) > width) {
      const head = cut(line, width + 1).slice(0, -ELLIPSIS.length);
      lines.push(head);
      line = line.slice(head.length);
    }
  }
  lines.push(line);
  return lines;
}

function characterWidth(character: string): number {
  if (NO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
