/**
 * A part of a benchmark as a process of its own, so that no other one shares its event loop. Asked over its IPC channel,
 * one question at a time; what it answers is declared beside what it is asked, in the part's own file.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PartFigures, PartStandstill } from './part-main.js';

const profiling = process.env['BENCH_PROFILE'];

export interface PartOptions {
  readonly args?: readonly string[];
  /** What others shall not see in a list of processes. */
  readonly env?: Readonly<Record<string, string>>;
  /** With BENCH_PROFILE=DIR it writes a CPU profile when it ends. */
  readonly profiled?: boolean;
}

export class Part {
  /** Where it serves, in its own terms; empty when it serves nothing. */
  readonly address: string;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, address: string) {
    this.child = child;
    this.address = address;
  }

  /** @param script its file's name, compiled */
  static async start(script: string, { args = [], env = {}, profiled = false }: PartOptions): Promise<Part> {
    const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
      env: { ...process.env, ...env },
      execArgv: profiled && profiling !== undefined ? ['--cpu-prof', `--cpu-prof-dir=${profiling}`] : [],
    });
    const { address }: { address: string } = await answerOf(child, script);
    return new Part(child, address);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async ask<Answer>(question: string | object): Promise<Answer> {
    this.child.send(question);
    return await answerOf<Answer>(this.child, JSON.stringify(question));
  }

  figures(): Promise<PartFigures> {
    return this.ask('figures');
  }

  /** The first answer says nothing: it looks at its clock from then on. */
  standstill(): Promise<PartStandstill> {
    return this.ask('standstill');
  }

  async stop(): Promise<void> {
    if (!this.child.connected) return;
    this.child.send('stop');
    await once(this.child, 'exit');
  }
}

/** The child's next message; an error when it ends instead. */
async function answerOf<Answer>(child: ChildProcess, question: string): Promise<Answer> {
  const ended = new AbortController();
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`a process of the benchmark ended with ${code} instead of answering ${question}`);
  });
  try {
    const message = once(child, 'message', { signal: ended.signal }).then(([first]: Answer[]) => first);
    const answer = await Promise.race([message, exit]);
    if (answer === undefined) throw new Error(`no answer to ${question}`);
    return answer;
  } finally {
    ended.abort();
    await exit.catch(() => undefined);
  }
}
