/**
 * How far work is that takes long, on stderr while it goes on: a line that is drawn anew on a terminal, now and then one elsewhere.
 * Guarantee: what is done in a moment shows nothing, and what can't be looked at keeps no work from being done.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { type Progress, ProgressView } from './progress-view.js';
import type { Terminal } from './terminal.js';

const FIRST_MS = 2_000;
const EVERY_MS = 1_000;

/** @param look how far it is; undefined where nobody can tell just now @param firstMs when it is shown first */
export async function whileShown<T>(
  { err }: Pick<Terminal, 'err'>,
  look: () => Promise<Progress | undefined>,
  work: () => Promise<T>,
  firstMs = FIRST_MS,
): Promise<T> {
  const over = new AbortController();
  const shown = show(new LazyView(err), { look, firstMs }, over.signal);
  try {
    return await work();
  } finally {
    over.abort();
    await shown;
  }
}

/** The same of what a node does by itself, whoever waits for it: who interrupts that is told so, and the command that shows what became of it. */
export async function whileNodeWorks<T>(
  cli: Pick<Terminal, 'err' | 'interrupted'>,
  look: () => Promise<Progress | undefined>,
  later: { readonly command: string; readonly noun: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await whileShown(cli, look, work);
  } catch (error) {
    if (cli.interrupted.aborted)
      await cli.err.line(`the node goes on with it; \`${later.command}\` shows the ${later.noun}`);
    throw error;
  }
}

async function show(
  view: LazyView,
  { look, firstMs }: { look(): Promise<Progress | undefined>; readonly firstMs: number },
  over: AbortSignal,
): Promise<void> {
  for (let wait = firstMs; ; wait = EVERY_MS) {
    await pause(wait, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) return await view.end();
    const progress = await look().catch(() => undefined);
    if (progress !== undefined && !over.aborted) view.take(progress);
  }
}

/** One that is there from the first thing that it shows. */
class LazyView {
  private readonly err: Terminal['err'];
  private view: ProgressView | undefined;

  constructor(err: Terminal['err']) {
    this.err = err;
  }

  take(progress: Progress): void {
    this.view ??= new ProgressView(this.err);
    this.view.take(progress);
  }

  async end(): Promise<void> {
    await this.view?.end();
  }
}
