/** How often code under test calls the file system, in this process. */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { Test } from 'tap';

export interface FileCalls {
  /** Listings of /proc: each look at all processes lists them once, and again as long as somebody new comes. */
  listings: number;
  /** Environments of processes that were read. */
  environments: number;
  /** Whose state was read. */
  pids: number[];
  /** Called before the first state is read. */
  onFirst: () => void;
}

/** Until the end of the test. */
export function countProcessReads(t: Test): FileCalls {
  const calls: FileCalls = { listings: 0, environments: 0, pids: [], onFirst: () => undefined };
  const { openSync, readdirSync, readFileSync } = fs;
  const opening = new Proxy(openSync, {
    apply: (target, self, args: Parameters<typeof openSync>) => {
      const [, pid] = /^\/proc\/(\d+)\/stat$/.exec(String(args[0])) ?? [];
      if (pid !== undefined && calls.pids.push(Number(pid)) === 1) calls.onFirst();
      return Reflect.apply(target, self, args);
    },
  });
  const listing = new Proxy(readdirSync, {
    apply: (target, self, args: Parameters<typeof readdirSync>) => {
      if (args[0] === '/proc') calls.listings += 1;
      return Reflect.apply(target, self, args);
    },
  });
  const reading = new Proxy(readFileSync, {
    apply: (target, self, args: Parameters<typeof readFileSync>) => {
      if (/^\/proc\/\d+\/environ$/.test(String(args[0]))) calls.environments += 1;
      return Reflect.apply(target, self, args);
    },
  });
  Object.assign(fs, { openSync: opening, readdirSync: listing, readFileSync: reading });
  syncBuiltinESMExports();
  t.teardown(() => {
    Object.assign(fs, { openSync, readdirSync, readFileSync });
    syncBuiltinESMExports();
  });
  return calls;
}

export interface ThreadCalls {
  /** Of files and directories. */
  flushes: number;
  /** Calls of the file system on another thread, those flushes included. */
  detours: number;
}

/** Until the end of the test. */
export function countThreadCalls(t: Test): ThreadCalls {
  const calls: ThreadCalls = { flushes: 0, detours: 0 };
  const { open, close, read, write, fstat, fsync } = fs;
  const { stat, realpath } = fs.promises;
  const counted = <F extends (...given: never[]) => unknown>(original: F, note = () => {}): F =>
    new Proxy(original, {
      apply: (target, self, args: Parameters<F>) => {
        calls.detours += 1;
        note();
        return Reflect.apply(target, self, args);
      },
    });
  const flush = counted(fsync, () => {
    calls.flushes += 1;
  });
  const those = { open, close, read, write, fstat };
  const counting = Object.entries(those).map(([name, call]) => [name, counted<typeof call>(call)]);
  Object.assign(fs, Object.fromEntries(counting), { fsync: flush });
  Object.assign(fs.promises, { stat: counted(stat), realpath: counted(realpath) });
  syncBuiltinESMExports();
  t.teardown(() => {
    Object.assign(fs, those, { fsync });
    Object.assign(fs.promises, { stat, realpath });
    syncBuiltinESMExports();
  });
  return calls;
}
