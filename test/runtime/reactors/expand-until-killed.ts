/**
 * A program whose reactor makes thousands of commands of one event, until it is done or killed:
 * `node expand-until-killed.js DATABASE`. It prints how many commands were carried out in this run, after each hundred.
 */

import { pino } from 'pino';
import { systemClock } from '../../../src/base/clock.js';
import type { Database } from '../../../src/base/sql.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { commandTo, type Reactor, type ReactorCommand } from '../../../src/runtime/reactors/reactor.js';
import { ReactorRunner } from '../../../src/runtime/reactors/reactor-runner.js';
import { count, counter } from '../support/counter.js';

/** Progress is written after so many. */
export const EVERY = 200;
export const AT_ONCE = 64;

export interface Expanding {
  readonly reactions: ReactorRunner;
  /** In this run. */
  sent(): number;
  /** Commands that were asked for and not yet carried out, at the most. */
  mostAhead(): number;
}

/** Makes as many commands of an event as its amount says, each for a counter of its own. */
export function expanding(store: EventStore, db: Database, onSent: (sent: number) => void): Expanding {
  const system = new ActorSystem({ store, clock: systemClock });
  let sent = 0;
  let given = 0;
  let settled = 0;
  let mostAhead = 0;
  function* commands(amount: number): Generator<ReactorCommand> {
    for (let n = 0; n < amount; n++) yield commandTo(counter, `n${n}`, count('once'));
  }
  const reactor: Reactor = {
    name: 'expands',
    categories: ['tally'],
    react: ({ data }) => commands(Number(data['amount'])),
  };
  const reactions = new ReactorRunner({
    ...{ store, db, reactor, clock: systemClock, logger: pino({ level: 'silent' }) },
    progressEvery: EVERY,
    parallel: AT_ONCE,
    executor: {
      execute: async (type, id, command) => {
        given += 1;
        mostAhead = Math.max(mostAhead, given - settled);
        const result = await system.execute(type, id, command);
        settled += 1;
        sent += 1;
        onSent(sent);
        return result;
      },
    },
  });
  return { reactions, sent: () => sent, mostAhead: () => mostAhead };
}

const [, program, database] = process.argv;
if (program?.endsWith('expand-until-killed.js') && database !== undefined) {
  const store = openSqliteEventStore(database);
  const { reactions } = expanding(store, openDatabase(database), (sent) => {
    if (sent % 100 === 0) process.stdout.write(`${sent}\n`);
  });
  await reactions.start();
  await reactions.caughtUpTo(await store.head());
  process.stdout.write('done\n');
}
