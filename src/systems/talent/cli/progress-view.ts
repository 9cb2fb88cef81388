/** How far tasks are, as bars on a terminal and as lines elsewhere. */

import { formatPercent, printable } from '../../../cli/format.js';
import { LiveArea } from '../../../cli/live-area.js';
import { bar } from '../../../cli/progress-view.js';
import type { Output } from '../../../cli/terminal.js';
import { cut, pad } from '../../../cli/text-width.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { changeLine, paintStatus } from './task-views.js';

const WIDEST_BAR = 30;
const NARROWEST_BAR = 10;
const STATUS_WIDTH = 8;
const PERCENT_WIDTH = 6;
/** Elsewhere than on a terminal a line for every so many percent is enough. */
const LINE_EVERY_PERCENT = 20;

/** Told of every change of some tasks; shows them in the order it first heard of them. */
export class ProgressView {
  private readonly out: Output;
  private readonly tasks = new Map<string, PlotTaskStatus>();
  private readonly area: LiveArea | undefined;

  constructor(out: Output) {
    this.out = out;
    this.area = out.isTerminal ? new LiveArea(out, () => this.bars()) : undefined;
  }

  async take(task: PlotTaskStatus): Promise<void> {
    const id = task.task_id ?? '';
    const before = this.tasks.get(id);
    this.tasks.set(id, task);
    if (this.area !== undefined) this.area.touch();
    else if (before === undefined || isWorthALine(before, task)) await this.out.line(changeLine(task));
  }

  async end(): Promise<void> {
    await this.area?.end();
  }

  private bars(): string {
    const { width, hasColour } = this.out;
    const names = [...this.tasks.keys()];
    const nameWidth = Math.min(Math.max(...names.map((name) => name.length)), Math.floor(width / 3));
    return [...this.tasks.values()]
      .map((task) => `${barLine(task, { width: width - 1, nameWidth, hasColour })}\n`)
      .join('');
  }
}

function isWorthALine(before: PlotTaskStatus, { status, remarks, plot_details }: PlotTaskStatus): boolean {
  const step = (progress = 0): number => Math.floor(progress / LINE_EVERY_PERCENT);
  return (
    status !== before.status ||
    remarks !== before.remarks ||
    step(plot_details?.progress) !== step(before.plot_details?.progress)
  );
}

interface BarLayout {
  readonly width: number;
  readonly nameWidth: number;
  readonly hasColour: boolean;
}

function barLine(task: PlotTaskStatus, { width, nameWidth, hasColour }: BarLayout): string {
  const { task_id = '', status = '', remarks = '', plot_details: { progress = 0 } = {} } = task;
  const room = width - nameWidth - STATUS_WIDTH - PERCENT_WIDTH - 6;
  const barWidth = Math.max(NARROWEST_BAR, Math.min(WIDEST_BAR, room));
  const name = pad(cut(printable(task_id), nameWidth), nameWidth, 'left');
  const state = pad(status, STATUS_WIDTH, 'left');
  const percent = pad(formatPercent(progress), PERCENT_WIDTH, 'right');
  const rest = cut(printable(remarks), Math.max(0, room - barWidth - 2));
  const shownState = hasColour ? paintStatus(state, status) : state;
  return [name, shownState, bar(progress / 100, barWidth), percent, rest].join('  ').trimEnd();
}
