/** How far work on a store is, on stderr: one line that is drawn anew on a terminal, elsewhere a line for each step and now and then. */

import { formatPercent } from './format.js';
import { LiveArea } from './live-area.js';
import type { Output } from './terminal.js';
import { cut } from './text-width.js';

const LINE_EVERY_MS = 10_000;
const BAR_WIDTH = 30;

export interface Progress {
  /** What is being done, `reading the source`. */
  readonly step: string;
  /** Done in this step. */
  readonly events: number;
  /** Undefined where nobody knows yet. */
  readonly total: number | undefined;
  /** What is counted; default `events`. */
  readonly unit?: string;
}

export class ProgressView {
  private readonly out: Output;
  private readonly area: LiveArea | undefined;
  /** Keeps the process while stores are waited for, too. */
  private readonly ticker: NodeJS.Timeout;
  private latest: Progress | undefined;

  constructor(out: Output) {
    this.out = out;
    this.area = out.isTerminal ? new LiveArea(out, () => this.barLine()) : undefined;
    this.ticker = setInterval(() => void this.writeLine(), LINE_EVERY_MS);
  }

  take(progress: Progress): void {
    const isNewStep = progress.step !== this.latest?.step;
    this.latest = progress;
    if (this.area !== undefined) this.area.touch();
    else if (isNewStep) void this.writeLine();
  }

  async end(): Promise<void> {
    clearInterval(this.ticker);
    await this.area?.end();
  }

  private async writeLine(): Promise<void> {
    if (this.area === undefined && this.latest !== undefined) await this.out.line(sentence(this.latest));
  }

  private barLine(): string {
    const { latest } = this;
    if (latest === undefined) return '';
    const { events, total } = latest;
    if (total === undefined) return `${cut(sentence(latest), this.out.width - 1)}\n`;
    const filled = bar(total === 0 ? 1 : events / total, BAR_WIDTH);
    return `${cut(`${filled}  ${sentence(latest)}`, this.out.width - 1)}\n`;
  }
}

/** @param share from 0 to 1; what lies beyond counts as that; @param width in columns */
export function bar(share: number, width: number): string {
  const done = Math.floor(Math.min(Math.max(share, 0), 1) * width);
  return '█'.repeat(done) + '░'.repeat(width - done);
}

function sentence({ step, events, total, unit = 'events' }: Progress): string {
  if (total === undefined) return events === 0 ? step : `${step}: ${events} ${unit}`;
  return `${step}: ${formatPercent(total === 0 ? 100 : (events / total) * 100)}, ${events} of ${total} ${unit}`;
}
