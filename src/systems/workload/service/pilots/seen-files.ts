/**
 * Files as this node sees them, where it does: storage may be another machine's.
 *
 * Guarantees: one look at a file that is there; a file counts as absent only where its storage is seen, on the disk where files were seen
 * before, and a second later still; storage that does not answer holds up no report for longer than a moment, and is left alone for a
 * while then; so is a directory that is not there.
 */

import { type Stats, stat } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../../../base/clock.js';
import { limitConcurrency } from '../../../../base/limit-concurrency.js';
import { systemErrorCode } from '../../../../base/system-error.js';

/** Node has four threads for this and much else. */
const AT_THE_SAME_TIME = 2;
const ANSWERS_WITHIN_MS = 1_000;
const LEFT_ALONE_MS = 60_000;
/** What another machine has written may be seen later. */
const LOOKS_AGAIN_AFTER_MS = 1_000;
const MOST_DIRECTORIES = 1_000;
/** The one of node:fs/promises makes room for an answer of its own with each call: that was a fourteenth of what a job costs. */
const statOf = promisify(stat);
/** What a path says that leads to no file. */
const NOTHING_THERE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Its size in bytes; `absent`: its storage is seen, and it is not there; `unseen`: nothing can be said. */
export type Seen = number | 'absent' | 'unseen';

export class SeenFiles {
  private readonly clock: Clock;
  private readonly look = limitConcurrency(AT_THE_SAME_TIME);
  /** Monotonic milliseconds. */
  private leftAloneUntil = Number.NEGATIVE_INFINITY;
  /** The same of each directory that was not to be seen. */
  private readonly elsewhereUntil = new Map<string, number>();
  /** The file system on which a file of each directory was seen last. */
  private readonly devices = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @param path below the directory */
  async of(directory: string, path: string): Promise<Seen> {
    if (this.clock.monotonic() < this.leftAloneUntil) return 'unseen';
    const elsewhere = this.elsewhereUntil.get(directory) ?? Number.NEGATIVE_INFINITY;
    if (this.clock.monotonic() < elsewhere) return 'unseen';
    const found = await this.ask(() => statOf(join(directory, path)));
    if (found === 'nothing') return (await this.isThere(directory)) ? 'absent' : 'unseen';
    if (found === undefined) return 'unseen';
    if (!found.isFile()) return 'absent';
    noteIn(this.devices, directory, found.dev);
    return found.size;
  }

  /** The same, looked at once more where it is absent. */
  async surely(directory: string, path: string): Promise<Seen> {
    const seen = await this.of(directory, path);
    if (seen !== 'absent') return seen;
    await new Promise<void>((resolve) => void this.clock.after(LOOKS_AGAIN_AFTER_MS, resolve));
    // To open a directory makes clients of network file systems ask what is new in it.
    for (const folder of [directory, dirname(join(directory, path))]) await this.ask(() => open(folder));
    return await this.of(directory, path);
  }

  /** Whether that directory is there. */
  async sees(directory: string): Promise<boolean> {
    if (this.clock.monotonic() < this.leftAloneUntil) return false;
    const found = await this.ask(() => statOf(directory));
    return found !== undefined && found !== 'nothing' && found.isDirectory();
  }

  private async isThere(directory: string): Promise<boolean> {
    const found = await this.ask(() => statOf(directory));
    if (found === undefined) return false;
    const known = this.devices.get(directory);
    if (found !== 'nothing' && found.isDirectory() && (known ?? found.dev) === found.dev) return true;
    noteIn(this.elsewhereUntil, directory, this.clock.monotonic() + LEFT_ALONE_MS);
    return false;
  }

  /** Undefined where no answer comes, or another than what there is. */
  private ask(look: () => Promise<Stats | undefined>): Promise<Stats | 'nothing' | undefined> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(ANSWERS_WITHIN_MS, () => {
        this.leftAloneUntil = this.clock.monotonic() + LEFT_ALONE_MS;
        resolve(undefined);
      });
      const settle = (found: Stats | 'nothing' | undefined): void => {
        cancel();
        resolve(found);
      };
      this.look(look).then(settle, (error: unknown) =>
        settle(NOTHING_THERE.has(systemErrorCode(error)) ? 'nothing' : undefined),
      );
    });
  }
}

async function open(folder: string): Promise<undefined> {
  const opened = await opendir(folder);
  await opened.close();
  return undefined;
}

function noteIn(known: Map<string, number>, directory: string, value: number): void {
  if (known.get(directory) === value) return;
  if (known.size >= MOST_DIRECTORIES) known.clear();
  known.set(directory, value);
}
