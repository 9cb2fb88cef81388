/** The contract of marks, for a store that keeps any: the newest alone, one of two writers, and no events. */

import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import type { EventStore, Marks } from '../../src/runtime/event-store/event-store.js';
import { collect, freshCategory, idsOf, propose } from '../support/events.js';
import type { OpenStore } from './opened-store.js';

/** With what else a name may hold. */
const freshName = () => `reactor:tests-${randomUUID()}`;

function marksOf({ marks }: EventStore): Marks {
  if (marks === undefined) throw new Error('the store keeps no marks');
  return marks;
}

export async function marksContract(t: Test, open: OpenStore): Promise<void> {
  await t.test('the newest under each name, also after opening anew', async (t) => {
    const { store, reopen } = await open(t);
    const marks = marksOf(store);
    const [one, other] = [freshName(), freshName()];
    t.equal(await marks.read(one), undefined);
    t.ok(await marks.write(one, { n: 0, text: 'ä' }, undefined));
    for (let n = 1; n < 4; n++) t.ok(await marks.write(one, { n }, await marks.read(one)));
    t.match(await marks.read(one), { value: { n: 3 } });
    t.equal(await marks.read(other), undefined);
    t.ok(await marks.write(other, { list: [1, { a: null }] }, undefined));
    const again = marksOf(await reopen());
    t.same((await again.read(one))?.value, { n: 3 });
    t.same((await again.read(other))?.value, { list: [1, { a: null }] });
  });

  await t.test('of two that write in the place of the same, one does', async (t) => {
    const { store } = await open(t);
    const marks = marksOf(store);
    const name = freshName();
    const write = async (by: string) => marks.write(name, { by }, await marks.read(name));
    for (let round = 0; round < 2; round++) {
      const seen = await marks.read(name);
      const written = await Promise.all(['a', 'b'].map((by) => marks.write(name, { by }, seen)));
      t.same(written.toSorted(), [false, true]);
      t.same((await marks.read(name))?.value, { by: written[0] ? 'a' : 'b' });
    }
    t.ok(await write('c'), 'who has read it again may');
  });

  await t.test('they are no events', async (t) => {
    const { store, reopen, shared = false } = await open(t);
    const marks = marksOf(store);
    const [category, name] = [freshCategory(), freshName()];
    const live: string[] = [];
    const ending = new AbortController();
    const before = await store.head();
    const following = (async () => {
      for await (const { events } of store.subscribe({ after: before, signal: ending.signal }))
        live.push(...idsOf(events));
    })();
    const events = [1, 2, 3].map((n) => propose({ n }));
    for (const event of events) {
      await marks.write(name, { at: event.id }, await marks.read(name));
      await store.append(`${category}-a`, 'any', [event]);
    }
    const { position } = await store.append(`${category}-b`, 'noStream', [propose({ n: 4 })]);
    await marks.write(name, { at: 'end' }, await marks.read(name));
    if (!shared) t.equal(await store.head(), position, 'the end of the store is the last event');
    const all = idsOf(await collect(store.readAll({ after: before })));
    if (!shared) t.equal(all.length, 4);
    t.same(
      idsOf(await collect(store.readAll({ after: before, categories: [category] }))).slice(0, 3),
      events.map(({ id }) => id),
    );
    const again = await reopen();
    if (!shared) t.equal(await again.head(), position);
    if (!shared) t.equal((await collect(again.readAll({ after: before }))).length, 4);
    ending.abort();
    await following.catch(() => undefined);
    if (!shared)
      t.ok(
        live.every((id) => all.includes(id)),
        'nor does a subscription give them',
      );
  });
}
