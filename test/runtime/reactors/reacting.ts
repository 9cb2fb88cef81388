/**
 * Reactors on either store, with a database of read models of their own, commands that the test holds back or lets fail, and a
 * subscription that it can end. Everything is closed when the test ends.
 */

import { join } from 'node:path';
import type { Test } from 'tap';
import type { Database } from '../../../src/base/sql.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import {
  type EventStore,
  idOf,
  type SubscribeOptions,
} from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { type CommandExecutor, commandTo, type Reactor } from '../../../src/runtime/reactors/reactor.js';
import type { ReactorRunnerOptions } from '../../../src/runtime/reactors/reactor-options.js';
import { ReactorRunner } from '../../../src/runtime/reactors/reactor-runner.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { type LogLines, logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { count, counter } from '../support/counter.js';

/** Opens the same store once more, as another node does. */
export type OpenAgain = () => Promise<EventStore>;

/** Both stores, by name. */
export const STORES: Readonly<Record<string, (t: Test, file: string) => Promise<OpenAgain>>> = {
  // One for all: another one would not be woken by what this one appends.
  SQLite: async (t, file) => {
    const store = openSqliteEventStore(file);
    t.teardown(() => store.close());
    return async () => store;
  },
  EventStoreDB: async (t) => {
    const node = await startNode(t);
    return () => openStore(t, node);
  },
};

/** Counts each amount that is added to a tally, on the counter of the same id. */
export const countsAmounts: Reactor = {
  name: 'counts-amounts',
  categories: ['tally'],
  react: (event) => [commandTo(counter, idOf(event.stream), count(`${event.data['amount']}`))],
};

export interface Node {
  readonly store: EventStore;
  readonly db: Database;
  readonly log: LogLines;
  readonly clock: ManualClock;
  /** Targets of the commands that were sent, in order. */
  readonly sent: string[];
  /** Events that a subscription has given. */
  given(): number;
  /** Called before a command is carried out; may wait, or throw. */
  hinder: (target: string) => void | Promise<void>;
  /** Ends the subscription with an error. */
  interrupt(): void;
  runner(reactor?: Reactor, options?: Partial<ReactorRunnerOptions>): ReactorRunner;
}

/** @param file of the read models */
export function nodeOn(t: Test, opened: EventStore, file = join(t.testdir(), 'read-models.db')): Node {
  const db = openDatabase(file);
  t.teardown(() => db.close());
  const clock = new ManualClock();
  const log = logLines();
  const sent: string[] = [];
  let given = 0;
  let broken = new AbortController();
  async function* subscribe(options: SubscribeOptions = {}) {
    broken = new AbortController();
    const { signal } = broken;
    const own = options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]);
    for await (const batch of opened.subscribe({ ...options, signal: own })) {
      given += batch.events.length;
      yield batch;
    }
    if (signal.aborted) throw new Error('the subscription broke');
  }
  const store = delegating(opened, { subscribe });
  const system = new ActorSystem({ store, clock, shared: true });
  const executor: CommandExecutor = {
    execute: async (type, id, command) => {
      sent.push(id);
      await node.hinder(id);
      return system.execute(type, id, command);
    },
  };
  const node: Node = {
    ...{ store, db, log, clock, sent },
    given: () => given,
    hinder: () => undefined,
    interrupt: () => broken.abort(),
    runner: (reactor = countsAmounts, options = {}) => {
      const runner = new ReactorRunner({
        ...{ store, db, reactor, executor, clock, logger: log.logger, ...options },
      });
      t.teardown(() => runner.stop());
      return runner;
    },
  };
  return node;
}

/** A gate that what comes waits at until it is opened. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}
