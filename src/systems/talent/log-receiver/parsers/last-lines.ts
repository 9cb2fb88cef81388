/**
 * The last lines of a log: why a plotter has ended, where it gives no reason that owl knows.
 *
 * Guarantee: sentences, as far as there are any: what a program prints of its stack behind its message is left out.
 */

import { toReason } from './readings.js';

const KEPT = 3;

const STACK_FRAMES: readonly RegExp[] = [
  // What glibc's backtrace_symbols makes of a frame: `program(function+0x10)[0x55…]`.
  /^\S*\([^)]*\) ?\[0x[0-9a-fA-F]+\]$/,
  /^\[0x[0-9a-fA-F]+\]$/,
  // Debuggers and sanitizers.
  /^ *#\d+ +0x[0-9a-fA-F]+ /,
  // Python: the head, the frames, the marks below them, and the sentences between chained tracebacks.
  /^Traceback \(most recent call last\):$/,
  /^ +File ".*", line \d+/,
  /^ +[~^]+ *$/,
  /^(?:During handling of the above exception, another|The above exception was the direct cause of the following)/,
];
/** The line of source behind a Python frame. */
const SOURCE = /^ {4,}\S/;
const PYTHON_FRAME = /^ +File "/;

export class LastLines {
  private readonly lines: string[] = [];
  private isBehindFrame = false;

  note(line: string): void {
    const isSource = this.isBehindFrame && SOURCE.test(line);
    this.isBehindFrame = PYTHON_FRAME.test(line);
    if (isSource || STACK_FRAMES.some((frame) => frame.test(line))) return;
    const text = toReason(line);
    if (text === '') return;
    this.lines.push(text);
    if (this.lines.length > KEPT) this.lines.shift();
  }

  /** In the order in which they were printed; empty lines are none. */
  list(): readonly string[] {
    return [...this.lines];
  }
}
