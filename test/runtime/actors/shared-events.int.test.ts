/** The data of an event, which its sender may share with the store and all who follow: it can't change it for them. On both stores. */

import t from 'tap';
import { systemClock } from '../../../src/base/clock.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { Command } from '../../../src/runtime/actors/actor-type.js';
import type { RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { STORES } from '../../support/both-stores.js';
import { collect } from '../../support/events.js';
import { until } from '../../support/until.js';
import { draw, type TicketsMachine, tickets } from '../support/tickets.js';

for (const [name, open] of Object.entries(STORES)) {
  t.test(`on ${name}`, async (t) => {
    const store = await open(t);
    const system = new ActorSystem({ store, clock: systemClock });
    const given: RecordedEvent[] = [];
    const ending = new AbortController();
    t.teardown(() => ending.abort());
    const batches = store.subscribe({ categories: [tickets.category], signal: ending.signal });
    const following = (async () => {
      for await (const { events } of batches) given.push(...events);
    })();
    const data = { number: 1, list: [{ n: 1 }] };
    const own: Command<TicketsMachine> = { decide: () => [{ type: 'Drawn', data }] };
    await system.execute(tickets, 'a', own);
    const { answer } = await system.execute(tickets, 'a', draw('with an answer'));
    if (answer !== undefined) answer.of.push('nobody');
    await until('the reader has all', () => given.length === 3);
    for (const event of [given[0], ...(await collect(store.readStream('tickets-a', { limit: 1 })))])
      t.same(event?.data, { number: 1, list: [{ n: 1 }] });
    t.throws(() => Object.assign(data, { number: 2 }), TypeError, 'its sender');
    t.throws(() => Object.assign(data.list[0] ?? {}, { n: 2 }), TypeError, 'nor what is in it');
    t.not(given[1]?.metadata.answer, answer);
    t.same(given[2]?.metadata.answer, { number: 2, of: ['house'] });
    ending.abort();
    await following;
  });
}
