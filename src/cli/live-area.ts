/**
 * Text on a terminal that is drawn anew over itself when it changes, at most ten times a second however often that is.
 * What it shows must fit the screen.
 */

import type { Output } from './terminal.js';

const REDRAW_MS = 100;

export class LiveArea {
  private readonly out: Output;
  private readonly render: () => string;
  private linesDrawn = 0;
  private due: NodeJS.Timeout | undefined;

  /** @param render what there is to see now: whole lines, none wider than the terminal */
  constructor(out: Output, render: () => string) {
    this.out = out;
    this.render = render;
  }

  /** What it shows has changed. */
  touch(): void {
    this.due ??= setTimeout(() => void this.draw(), REDRAW_MS);
  }

  /** Leaves the last state on the screen. */
  async end(): Promise<void> {
    if (this.due === undefined) return;
    clearTimeout(this.due);
    await this.draw();
  }

  private async draw(): Promise<void> {
    this.due = undefined;
    const { out, linesDrawn } = this;
    const text = this.render();
    this.linesDrawn = text.split('\n').length - 1;
    const back = linesDrawn === 0 ? '' : `\u001b[${linesDrawn}A\u001b[0J`;
    await out.write(back + text);
  }
}
