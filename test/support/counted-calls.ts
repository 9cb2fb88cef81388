/** How often code under test calls the file system, in this process. */

import fs from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import type { Test } from 'tap';

export interface FileCalls {
  /** Listings of /proc: each look at all processes lists them twice, as long as nobody new comes. */
  listings: number;
  /** Environments of processes that were read. */
  environments: number;
  /** Whose state was read. */
  pids: number[];
  /** Called before the nth listing, counted from 1. */
  onListing: (nth: number) => void;
}

/** Until the end of the test. */
export function countProcessReads(t: Test): FileCalls {
  const calls: FileCalls = { listings: 0, environments: 0, pids: [], onListing: () => undefined };
  const { openSync, readdirSync, readFileSync } = fs;
  const opening = new Proxy(openSync, {
    apply: (target, self, args: Parameters<typeof openSync>) => {
      const [, pid] = /^\/proc\/(\d+)\/stat$/.exec(String(args[0])) ?? [];
      if (pid !== undefined) calls.pids.push(Number(pid));
      return Reflect.apply(target, self, args);
    },
  });
  const listing = new Proxy(readdirSync, {
    apply: (target, self, args: Parameters<typeof readdirSync>) => {
      if (args[0] === '/proc') {
        calls.listings += 1;
        calls.onListing(calls.listings);
      }
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

/** Flushes of files and directories through handles, until the end of the test. */
export async function countFlushes(t: Test): Promise<{ flushes: number }> {
  const counted = { flushes: 0 };
  const handle = await open(process.execPath, 'r');
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const { sync } = prototype;
  prototype.sync = function () {
    counted.flushes += 1;
    return sync.call(this);
  };
  t.teardown(() => {
    prototype.sync = sync;
  });
  return counted;
}
