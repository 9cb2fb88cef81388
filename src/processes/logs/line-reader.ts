/**
 * Bytes to lines, in bounded memory. Guarantees, however the bytes are cut into chunks:
 *
 * - every line comes once, in order, with the byte offset just past its end: reading from there on gives the next line;
 * - a line ends with `\n`, `\r\n` or a lone `\r` (a progress bar that rewrites its line); a half line waits for its end;
 * - of a line longer than `maxLineBytes` the first so many bytes are kept and the rest is skipped;
 * - text is UTF-8 with invalid bytes replaced, without terminal escape sequences; NUL and other bytes stay.
 */

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SMALLEST_BUFFER = 256;

const ESCAPE = '\u001b';
const BELL = '\u0007';
const CONTROL_SEQUENCE = String.raw`\[[0-?]*[ -/]*[@-~]`;
const SYSTEM_COMMAND = String.raw`\][^${BELL}${ESCAPE}]*(?:${BELL}|${ESCAPE}\\)`;
const SHORT_ESCAPE = String.raw`[ -/]*[0-Z\\^-~]`;
/**
 * ECMA-48: colours and cursor, titles (which `util.stripVTControlCharacters` leaves in part), and the rest. No part of it
 * can be read in two ways, so it is linear on any input.
 */
const ESCAPE_SEQUENCES = new RegExp(
  `${ESCAPE}(?:${CONTROL_SEQUENCE}|${SYSTEM_COMMAND}|${SHORT_ESCAPE})`,
  'g',
);

export interface LogLine {
  readonly text: string;
  /** Bytes from the file's begin to just past the line and its end. */
  readonly offset: number;
}

export interface LineReaderOptions {
  /** Where in the file the first pushed byte stands. Default 0. */
  readonly offset?: number;
  /** Default 64 KiB. */
  readonly maxLineBytes?: number;
}

export class LineReader {
  readonly #maxLineBytes: number;
  /** Offset in the file of the next byte to come. */
  #position: number;
  #held = Buffer.alloc(0);
  #heldLength = 0;
  /** The last byte was `\r`; whether its line ends here or with a `\n` the next byte says. */
  #afterReturn = false;

  constructor(options: LineReaderOptions = {}) {
    this.#position = options.offset ?? 0;
    this.#maxLineBytes = options.maxLineBytes ?? 65_536;
  }

  /** All the memory this reader holds between chunks, in bytes: never more than `maxLineBytes`. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** The lines that end in this chunk. The chunk may be reused afterwards. */
  push(chunk: Uint8Array): LogLine[] {
    const lines: LogLine[] = [];
    const begin = this.#position;
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (this.#afterReturn) {
        this.#afterReturn = false;
        const end = byte === LINE_FEED ? at + 1 : at;
        lines.push(this.#takeLine(begin + end));
        start = end;
        if (byte === LINE_FEED) continue;
      }
      if (byte !== LINE_FEED && byte !== CARRIAGE_RETURN) continue;
      this.#hold(chunk.subarray(start, at));
      start = at + 1;
      if (byte === LINE_FEED) lines.push(this.#takeLine(begin + start));
      else this.#afterReturn = true;
    }
    this.#hold(chunk.subarray(start));
    this.#position += chunk.length;
    return lines;
  }

  /** The last line when nothing more comes, if the file does not end with a line's end. */
  end(): LogLine | undefined {
    if (!this.#afterReturn && this.#heldLength === 0) return undefined;
    this.#afterReturn = false;
    return this.#takeLine(this.#position);
  }

  #hold(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, this.#maxLineBytes - this.#heldLength);
    const needed = this.#heldLength + kept.length;
    if (needed > this.#held.length) this.#growTo(needed);
    this.#held.set(kept, this.#heldLength);
    this.#heldLength = needed;
  }

  /** Doubling keeps a line that comes byte by byte from being copied once for each of its bytes. */
  #growTo(needed: number): void {
    const wanted = Math.max(needed, this.#held.length * 2, SMALLEST_BUFFER);
    const grown = Buffer.alloc(Math.min(wanted, this.#maxLineBytes));
    grown.set(this.#held.subarray(0, this.#heldLength));
    this.#held = grown;
  }

  #takeLine(offset: number): LogLine {
    const text = this.#held.toString('utf8', 0, this.#heldLength);
    this.#heldLength = 0;
    return { text: text.includes(ESCAPE) ? text.replace(ESCAPE_SEQUENCES, '') : text, offset };
  }
}
