/** A runtime with semaphores, notices and the loops that a test gives it. Closed when the test ends. */

import { join } from 'node:path';
import type { Test } from 'tap';
import { type Clock, systemClock } from '../../../src/base/clock.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { Loop } from '../../../src/runtime/loops/loop.js';
import type { LoopStatus } from '../../../src/runtime/loops/loop-status.js';
import { openRuntime, type Runtime } from '../../../src/runtime/runtime.js';
import { type LogLines, logLines } from '../../support/log-lines.js';
import { notice, notices } from '../../support/notices.js';
import { acquire, create, semaphore } from '../../support/semaphore.js';

export const LATER = Date.UTC(2100, 0, 1);

export interface LoopingNode {
  readonly runtime: Runtime;
  readonly log: LogLines;
  /** Of the first loop. */
  status(): LoopStatus;
  /** Grants a permit of a semaphore that has room for it. */
  grant(holder: string): Promise<void>;
  close(): Promise<void>;
}

export interface LoopingOptions {
  readonly clock?: Clock;
  /** Default: a database of the test, which is closed with the node. */
  readonly store?: EventStore;
  /** Default: that of the store. */
  readonly databasePath?: string;
  /** The name of the node, where others append to the same store. */
  readonly sharedAs?: string;
}

export async function loopingNode(
  t: Test,
  loops: (runtime: Runtime) => readonly Loop[],
  options: LoopingOptions = {},
): Promise<LoopingNode> {
  const { clock = systemClock, sharedAs } = options;
  const databasePath = options.databasePath ?? join(t.testdirName, 'owl.db');
  if (options.databasePath === undefined) t.testdir();
  const store = options.store ?? openSqliteEventStore(databasePath);
  const log = logLines();
  const runtime = openRuntime({
    ...{ store, databasePath, clock },
    ...(sharedAs === undefined ? {} : { shared: true, nodeId: sharedAs }),
    actorTypes: [semaphore, notice],
    projections: [notices],
    logger: log.logger,
  });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= runtime.close().then(() => (options.store === undefined ? store.close() : undefined));
    return closing;
  };
  t.teardown(close);
  await runtime.start();
  runtime.startLoops(loops(runtime));
  return {
    runtime,
    log,
    close,
    status: () => {
      const [first] = runtime.status().loops;
      if (first === undefined) throw new Error('there is no loop');
      return first;
    },
    async grant(holder) {
      await runtime.system.execute(semaphore, 's', create(1_000_000));
      await runtime.system.execute(semaphore, 's', acquire(holder, LATER));
    },
  };
}
