/** The contract of reading a stream, reading all, `head`, opening anew and closing. */

import type { Test } from 'tap';
import { START } from '../../src/runtime/event-store/event-store.js';
import {
  collect,
  freshCategory,
  freshStream,
  idsOf,
  ofKind,
  propose,
  proposeMany,
  valuesOf,
} from '../support/events.js';
import type { OpenStore } from './opened-store.js';

/** More than stores read in one go. */
const LONG = 1_300;

export async function readContract(t: Test, open: OpenStore): Promise<void> {
  await t.test('a stream forwards and backwards, from a revision, with a limit', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    await store.append(stream, 'noStream', proposeMany(6));
    await store.append(freshStream(), 'noStream', proposeMany(3));
    const read = async (...args: Parameters<typeof store.readStream>) =>
      valuesOf(await collect(store.readStream(...args)));
    t.strictSame(await read(stream), [0, 1, 2, 3, 4, 5]);
    t.strictSame(await read(stream, { from: 4 }), [4, 5]);
    t.strictSame(await read(stream, { from: 1, limit: 2 }), [1, 2]);
    t.strictSame(await read(stream, { limit: 2 }), [0, 1]);
    t.strictSame(await read(stream, { limit: 0 }), []);
    t.strictSame(await read(stream, { from: 6 }), [], 'behind the end');
    t.strictSame(await read(stream, { direction: 'backwards' }), [5, 4, 3, 2, 1, 0]);
    t.strictSame(await read(stream, { direction: 'backwards', from: 2 }), [2, 1, 0]);
    t.strictSame(await read(stream, { direction: 'backwards', from: 4, limit: 2 }), [4, 3]);
    t.strictSame(await read(stream, { direction: 'backwards', limit: 1 }), [5]);
    t.strictSame(await read(stream, { direction: 'backwards', from: 99 }), [5, 4, 3, 2, 1, 0]);
    t.strictSame(await read(stream, { direction: 'backwards', from: 0 }), [0]);
    t.strictSame(await read(freshStream()), [], 'a stream that holds nothing');
    t.strictSame(await read(freshStream(), { direction: 'backwards' }), []);
  });

  await t.test('a long stream, both ways', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    for (let n = 0; n < LONG; n += 100) {
      await store.append(stream, n === 0 ? 'noStream' : n - 1, proposeMany(100, n));
    }
    const numbers = Array.from({ length: LONG }, (_, i) => i);
    t.strictSame(valuesOf(await collect(store.readStream(stream))), numbers);
    t.strictSame(
      valuesOf(await collect(store.readStream(stream, { from: 3, limit: 1200 }))),
      numbers.slice(3, 1203),
    );
    t.strictSame(
      valuesOf(await collect(store.readStream(stream, { direction: 'backwards' }))),
      numbers.reverse(),
    );
  });

  await t.test('a reader that leaves early leaves nothing behind', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    await store.append(stream, 'noStream', proposeMany(5));
    for await (const event of store.readStream(stream)) if (event.revision === 1) break;
    for await (const event of store.readAll()) if (event.position > START) break;
    const { revision } = await store.append(stream, 4, [propose()]);
    t.equal(revision, 5);
  });

  await t.test('whether an event is where it was', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const { events } = await store.append(stream, 'noStream', proposeMany(3));
    const other = await store.append(freshStream(), 'noStream', proposeMany(1));
    for (const event of events) t.equal(await store.holds(event), true);
    const [event] = events;
    if (event === undefined) throw new Error('three were appended');
    for (const change of [
      { id: propose().id },
      { revision: 1 },
      { revision: 9 },
      { position: other.position },
      { stream: freshStream() },
    ]) {
      t.equal(await store.holds({ ...event, ...change }), false);
    }
  });

  await t.test('all events after a position, in order of position', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const streams = [freshStream(category), freshStream(category), freshStream(category)];
    const before = await store.head();
    const appended = [];
    for (let n = 0; n < 12; n++) {
      const result = await store.append(streams[n % 3] ?? '', 'any', [propose({ n }), propose({ n })]);
      appended.push(...result.events);
    }
    const categories = [category];
    t.strictSame(await collect(store.readAll({ after: before, categories })), appended);
    const middle = appended[6]?.position ?? START;
    t.strictSame(
      await collect(store.readAll({ after: middle, categories })),
      appended.slice(7),
      'not the event at it',
    );
    t.strictSame(
      await collect(store.readAll({ after: middle, categories, limit: 3 })),
      appended.slice(7, 10),
    );
    t.strictSame(await collect(store.readAll({ after: before, categories, limit: 0 })), []);
    t.strictSame(await collect(store.readAll({ categories })), appended, 'from the start');
    const last = appended.at(-1)?.position ?? START;
    t.strictSame(await collect(store.readAll({ after: last, categories })), [], 'nothing after the last one');
  });

  await t.test('without a filter everything is given', async (t) => {
    const { store } = await open(t);
    const before = await store.head();
    const [one, two] = [propose(), propose()];
    await store.append(freshStream(), 'noStream', [one]);
    await store.append(freshStream(), 'noStream', [two]);
    const ids = idsOf(await collect(store.readAll({ after: before })));
    t.strictSame(
      ids.filter((id) => id === one.id || id === two.id),
      [one.id, two.id],
    );
  });

  await t.test('only the categories asked for, even where one name begins another', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const stored: Record<string, string> = {};
    for (const name of [category, `${category}_long`, `${category}2`]) {
      const event = propose();
      await store.append(`${name}-${name}-1`, 'noStream', [event]);
      stored[name] = event.id;
    }
    const read = async (categories: readonly string[]) => idsOf(await collect(store.readAll({ categories })));
    t.strictSame(await read([category]), [stored[category]]);
    t.strictSame(await read([`${category}2`, category]), [stored[category], stored[`${category}2`]]);
    t.strictSame(await read([freshCategory()]), []);
    t.strictSame(await read([]), [], 'no category, no event');
  });

  await t.test('events that match are found among many that do not', async (t) => {
    const { store } = await open(t);
    const [rare, common] = [freshStream(), freshStream()];
    const before = await store.head();
    await store.append(rare, 'noStream', [propose({ n: 1 })]);
    for (let n = 0; n < 5; n++) await store.append(common, 'any', proposeMany(500));
    await store.append(rare, 0, [propose({ n: 2 })]);
    await store.append(common, 'any', proposeMany(500));
    const categories = [rare.slice(0, rare.indexOf('-'))];
    t.strictSame(valuesOf(await collect(store.readAll({ after: before, categories }))), [1, 2]);
  });

  await t.test('head is the position of the last event', async (t) => {
    const { store, shared } = await open(t);
    if (shared !== true) t.equal(await store.head(), START, 'the start while the store is empty');
    const { position } = await store.append(freshStream(), 'noStream', proposeMany(3));
    const head = await store.head();
    if (shared === true) t.ok(head >= position);
    else t.equal(head, position);
  });

  await t.test('shareOf says how far a position is on the way to another one', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const appended = [];
    for (let n = 0; n < 4; n++) {
      appended.push(...(await store.append(freshStream(category), 'noStream', proposeMany(5))).events);
      await store.append(freshStream(), 'noStream', proposeMany(5));
    }
    const [first, end] = [appended[0]?.position ?? START, await store.head()];
    const shares = [START, ...appended.map(({ position }) => position), end].map((position) =>
      store.shareOf(position, end),
    );
    t.equal(shares[0], 0, 'nothing at the start');
    t.equal(shares.at(-1), 1, 'all at the end');
    t.ok(
      shares.every((share = Number.NaN, i) => i === 0 || share > (shares[i - 1] ?? 0)),
      `${shares.join(' < ')}: more from position to position`,
    );
    t.ok((store.shareOf(first, appended[9]?.position ?? START) ?? 0) > (shares[1] ?? 1), 'more of less');
    t.equal(store.shareOf(end, first), 1, 'and all of what lies before it');
    t.equal(store.shareOf(START, START), 1, 'of nothing, nothing is missing');
    t.equal(store.shareOf(end, START), 1);
    for (const foreign of ['x', `${end}0`, end.slice(1)]) {
      t.equal(store.shareOf(foreign, end), undefined, 'not of a position of another store');
      t.equal(store.shareOf(first, foreign), undefined, 'nor on the way to one');
    }
    await store.close();
    t.equal(store.shareOf(first, end), shares[1], 'without asking the store');
  });

  await t.test('everything is there when the store is opened anew, and goes on where it was', async (t) => {
    const { store, reopen } = await open(t);
    const stream = freshStream();
    const { events, position } = await store.append(stream, 'noStream', proposeMany(5));
    const reopened = await reopen();
    t.strictSame(await collect(reopened.readStream(stream)), events);
    t.ok((await reopened.head()) >= position);
    await t.rejects(reopened.append(stream, 'noStream', [propose()]), {
      name: 'RevisionConflictError',
      actual: 4,
    });
    const next = await reopened.append(stream, 4, [propose()]);
    t.equal(next.revision, 5);
    t.ok(next.position > position, 'positions go on too');
  });

  await t.test('close waits for appends under way and refuses later ones', async (t) => {
    const { store, reopen } = await open(t);
    const stream = freshStream();
    const underWay = store.append(stream, 'noStream', proposeMany(3));
    await store.close();
    t.equal((await underWay).revision, 2);
    await t.rejects(store.append(stream, 'any', [propose()]), {
      name: 'StoreUnavailableError',
      outcome: 'refused',
    });
    await t.rejects(collect(store.readStream(stream)), ofKind('unavailable'));
    await t.rejects(collect(store.readAll()), ofKind('unavailable'));
    await t.rejects(store.head(), ofKind('unavailable'));
    await store.close();
    const reopened = await reopen();
    t.equal((await collect(reopened.readStream(stream))).length, 3);
  });
}
