/**
 * Small windows, targets that fail, subscriptions that break and processes that follow each other, as a random number has it: each
 * event is reacted to, and of no stream one before all before it were. The seed stands in the name; another one is tried by `SEED`.
 */

import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/clock.js';
import { OwlError } from '../../../src/base/errors.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import {
  idOf,
  type ProposedEvent,
  type RecordedEvent,
  type SubscribeOptions,
} from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { type CommandExecutor, commandTo, type Reactor } from '../../../src/runtime/reactors/reactor.js';
import { ReactorRunner } from '../../../src/runtime/reactors/reactor-runner.js';
import { collect } from '../../support/events.js';
import { logLines } from '../../support/log-lines.js';
import { randomFrom } from '../../support/random.js';
import { count, counter } from '../support/counter.js';

const SEEDS = process.env['SEED'] === undefined ? [1, 2, 3] : [Number(process.env['SEED'])];

function eventOf(size: number): ProposedEvent {
  const metadata = { time: 0, $correlationId: 'test', $causationId: 'test' };
  return { id: randomUUID(), type: 'Added', version: 1, data: { text: 'x'.repeat(size) }, metadata };
}

/** One event after another of each stream: what comes out of order fails the test. */
class Reacted {
  readonly next = new Map<string, number>();

  private readonly t: Test;

  constructor(t: Test) {
    this.t = t;
  }

  add({ stream, revision }: RecordedEvent): void {
    const next = this.next.get(stream) ?? 0;
    if (revision > next) this.t.fail(`${stream} had ${revision} before ${next}`);
    else if (revision === next) this.next.set(stream, next + 1);
  }
}

for (const seed of SEEDS) {
  t.test(`seed ${seed}`, async (t) => {
    const chance = randomFrom(seed);
    /** From 0 to below `most`. */
    const random = (most: number) => Math.floor(chance() * most);
    const opened = openSqliteEventStore(':memory:');
    const db = openDatabase(':memory:');
    const reacted = new Reacted(t);
    const events = new Map<string, RecordedEvent>();
    let failures = 30;
    const system = new ActorSystem({ store: opened, clock: systemClock });
    const executor: CommandExecutor = {
      execute: async (type, id, command) => {
        for (let turns = random(4); turns > 0; turns--) await nextTurn();
        if (random(100) < failures) throw new OwlError('unavailable', 'not now');
        const event = events.get(id);
        if (event !== undefined) reacted.add(event);
        return system.execute(type, id, command);
      },
    };
    const reactor: Reactor = {
      name: 'follows',
      categories: ['s'],
      react: (event) => {
        const id = `${idOf(event.stream)}.${event.revision}`;
        events.set(id, event);
        return [commandTo(counter, id, count('once'))];
      },
    };
    let broken = new AbortController();
    async function* subscribe(options: SubscribeOptions = {}) {
      broken = new AbortController();
      const { signal } = broken;
      const own = options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]);
      yield* opened.subscribe({ ...options, signal: own });
      if (signal.aborted) throw new Error('the subscription broke');
    }
    const start = async () => {
      const runner = new ReactorRunner({
        ...{ store: delegating(opened, { subscribe }), db, reactor, executor, clock: systemClock },
        ...{ logger: logLines().logger, backoff: { firstMs: 1, longestMs: 5 } },
        ...{ window: 1 + random(12), streams: 1 + random(6), batchSize: 1 + random(9) },
        windowSize: random(2) === 0 ? 1_500 : 1_000_000,
      });
      await runner.start();
      return runner;
    };
    let runner = await start();
    const streams = 1 + random(8);
    for (let step = 0; step < 30; step++) {
      const many = Array.from({ length: 1 + random(12) }, () => eventOf(random(60)));
      await opened.append(`s-${random(streams)}`, 'any', many);
      const what = random(12);
      if (what === 0) broken.abort();
      if (what === 1) {
        await runner.stop();
        runner = await start();
      }
      for (let turns = random(20); turns > 0; turns--) await nextTurn();
    }
    failures = 10;
    // An alarm of the clock keeps no process alive.
    const running = setInterval(() => undefined, 60_000);
    await runner.caughtUpTo(await opened.head());
    clearInterval(running);
    await runner.stop();
    const all = await collect(opened.readAll({ categories: ['s'] }));
    t.same(
      all.filter(({ stream, revision }) => revision >= (reacted.next.get(stream) ?? 0)),
      [],
      'nothing was left out',
    );
    db.close();
    await opened.close();
  });
}
