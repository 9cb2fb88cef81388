/** The contract of appending the same events again: nothing changes, and the first answer is given. */

import type { Test } from 'tap';
import type { ExpectedRevision, ProposedEvent } from '../../src/runtime/event-store/event-store.js';
import { collect, freshStream, idsOf, ofKind, propose, proposeMany } from '../support/events.js';
import type { OpenStore } from './opened-store.js';

export async function idempotencyContract(t: Test, open: OpenStore): Promise<void> {
  const expectations: readonly [ExpectedRevision, eventsBefore: number][] = [
    ['noStream', 0],
    [1, 2],
    ['any', 0],
    ['any', 2],
    ['streamExists', 2],
  ];
  for (const [expected, eventsBefore] of expectations) {
    await t.test(`at ${expected} behind ${eventsBefore} events`, async (t) => {
      const { store } = await open(t);
      const stream = freshStream();
      if (eventsBefore > 0) await store.append(stream, 'noStream', proposeMany(eventsBefore));
      const events = proposeMany(3);
      const first = await store.append(stream, expected, events);
      t.equal(first.duplicate, false);
      t.strictSame(await store.append(stream, expected, events), { ...first, duplicate: true }, 'at once');

      await store.append(stream, first.revision, proposeMany(4));
      t.strictSame(
        await store.append(stream, expected, events),
        { ...first, duplicate: true },
        'and after more events',
      );
      t.equal((await collect(store.readStream(stream))).length, eventsBefore + 7, 'nothing was added');
    });
  }

  await t.test('events with the same content and other ids are other events', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const event = propose({ n: 1 });
    await store.append(stream, 'noStream', [event]);
    await t.rejects(store.append(stream, 'noStream', [propose({ n: 1 })]), ofKind('conflict'));
    const again = await store.append(stream, 'any', [propose({ n: 1 })]);
    t.equal(again.duplicate, false);
    t.equal(again.revision, 1);
  });

  await t.test('the same append 16 times at once is stored once, and all get the same answer', async (t) => {
    for (const expected of ['noStream', 1, 'any'] as const) {
      const { store } = await open(t);
      const stream = freshStream();
      const before = expected === 1 ? proposeMany(2) : [];
      if (before.length > 0) await store.append(stream, 'noStream', before);
      const events = proposeMany(2);
      const results = await Promise.all(
        Array.from({ length: 16 }, () => store.append(stream, expected, events)),
      );
      t.equal(results.filter(({ duplicate }) => !duplicate).length, 1, `at ${expected}`);
      t.equal(new Set(results.map(({ revision, position }) => `${revision} at ${position}`)).size, 1);
      t.strictSame(idsOf(await collect(store.readStream(stream))), idsOf([...before, ...events]));
    }
  });

  await t.test('events of which only some are there are a conflict, and none is stored', async (t) => {
    const { store } = await open(t);
    for (const expected of ['noStream', 0, 'any', 'streamExists'] as const) {
      const stream = freshStream();
      const [zero, a, b, c] = [propose(), propose(), propose(), propose()];
      const before = expected === 0 ? [zero] : [];
      await store.append(stream, 'noStream', [...before, a, b]);
      const refuses = (events: readonly ProposedEvent[], what: string) =>
        t.rejects(store.append(stream, expected, events), ofKind('conflict'), `${expected}: ${what}`);
      await refuses([a, b, c], 'the last one is new');
      if (expected === 'noStream' || expected === 0) {
        await refuses([c, b], 'the first one is new');
        await refuses([b, a], 'another order');
      }
      t.strictSame(idsOf(await collect(store.readStream(stream))), idsOf([...before, a, b]));
    }
  });

  await t.test('events expected at another place are a conflict', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const [a, b, c] = [propose(), propose(), propose()];
    await store.append(stream, 'noStream', [a, b, c]);
    await t.rejects(store.append(stream, 0, [c]), { name: 'RevisionConflictError', expected: 0, actual: 2 });
    await t.rejects(store.append(stream, 7, [c]), { name: 'RevisionConflictError', expected: 7, actual: 2 });
  });

  await t.test('the same id in another stream is another event', async (t) => {
    const { store } = await open(t);
    const event = propose();
    await store.append(freshStream(), 'noStream', [event]);
    const { duplicate, revision } = await store.append(freshStream(), 'noStream', [event]);
    t.equal(duplicate, false);
    t.equal(revision, 0);
  });

  await t.test('known again after the store was opened anew', async (t) => {
    const { store, reopen } = await open(t);
    const stream = freshStream();
    const events = proposeMany(2);
    const first = await store.append(stream, 'noStream', events);
    await store.append(stream, 1, proposeMany(1));
    const reopened = await reopen();
    t.strictSame(await reopened.append(stream, 'noStream', events), { ...first, duplicate: true });
  });
}
