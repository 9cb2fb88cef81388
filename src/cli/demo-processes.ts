/**
 * What demos are made of: a directory of their own, and processes of owl in it.
 *
 * Guarantees: what is configured on this machine for other nodes does not count for these; one that can't be started says why
 * in its own words; when `stop` has come back none of them is left.
 */

import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { messageOf, OwlError } from '../base/errors.js';
import { FileLock } from '../base/lock.js';
import { type OwlChild, startOwlChild } from '../processes/services/owl-child.js';
import type { Service } from '../processes/services/start-service.js';
import type { Terminal } from './terminal.js';

const LOOK_EVERY_MS = 50;

/**
 * A temporary directory, or the new one that was asked for.
 * @param prefix of the name of a temporary one
 * @throws OwlError when it can't be used or is not empty
 */
export function demoDirectory(
  { cwd }: Pick<Terminal, 'cwd'>,
  data: string | undefined,
  prefix: string,
): string {
  if (data === undefined) return mkdtempSync(join(tmpdir(), prefix));
  const directory = resolve(cwd, data);
  let names: readonly string[];
  try {
    if (!existsSync(directory)) mkdirSync(directory);
    names = readdirSync(directory);
  } catch (error) {
    throw new OwlError(
      'invalid',
      `${directory} can't be used: ${messageOf(error)}; choose another directory`,
    );
  }
  if (names.length > 0)
    throw new OwlError('refused', `${directory} is not empty; the demo wants a directory of its own`);
  return directory;
}

export class DemoProcesses {
  private readonly terminal: Terminal;
  private readonly directory: string;
  private readonly running: Service<OwlChild>[] = [];
  private readonly logs: number[] = [];

  /** @param directory for their logs */
  constructor(terminal: Terminal, directory: string) {
    this.terminal = terminal;
    this.directory = directory;
  }

  /**
   * Resolves when it has printed its first line. One that ends unasked is started again.
   * @param name of its log, `node.log` @param called by messages @param args what stands behind `owl` on its command line
   */
  async start(
    name: string,
    called: string,
    args: readonly string[],
  ): Promise<{ service: Service<OwlChild>; firstLine: string }> {
    const { env, cwd, err, program } = this.terminal;
    const path = join(this.directory, `${name}.log`);
    const fd = openSync(path, 'a', 0o600);
    this.logs.push(fd);
    const service = startOwlChild({
      ...{ name: called, args: () => args, cwd, log: { fd, path }, logger: pino({ level: 'silent' }) },
      // What is configured here is meant for other nodes.
      env: Object.fromEntries(Object.entries(env).filter(([variable]) => !variable.startsWith('OWL_'))),
      ...(program === undefined ? {} : { program }),
    });
    this.running.push(service);
    const { firstLine } = await service.started.catch(async (error: unknown) => {
      // Its log may be gone in a moment.
      await err.write(readFileSync(path, 'utf8'));
      throw error;
    });
    return { service, firstLine };
  }

  /** Those that were started last end first. */
  async stop(): Promise<void> {
    for (const service of this.running.reverse()) await service.stop();
    for (const fd of this.logs) closeSync(fd);
  }
}

/** Until nobody holds a lock any more, that of a keeper for instance, or so long is over. */
export async function untilFree(lock: string, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const free = FileLock.take(lock);
    if (free !== undefined) return free.release();
    if (performance.now() > deadline) return;
    await pause(LOOK_EVERY_MS);
  }
}
