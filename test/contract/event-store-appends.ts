/** The contract of `append`: what is stored, when it is refused, and that nothing is stored by half. */

import type { Test } from 'tap';
import type { ExpectedRevision, JsonObject, StreamName } from '../../src/runtime/event-store/event-store.js';
import { collect, freshStream, idsOf, ofKind, propose, proposeMany, valuesOf } from '../support/events.js';
import type { OpenStore } from './opened-store.js';

export async function appendContract(t: Test, open: OpenStore): Promise<void> {
  await t.test('one event: the answer says where it stands', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const event = propose({ n: 1 });
    const result = await store.append(stream, 'noStream', [event]);
    t.equal(result.revision, 0);
    t.equal(result.duplicate, false);
    t.ok(result.position > '', 'behind the start');
    t.strictSame(result.events, [{ ...event, stream, revision: 0, position: result.position }]);
    t.strictSame(await collect(store.readStream(stream)), result.events, 'and so it reads');
  });

  await t.test('many events: one revision after another, positions that sort', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const first = await store.append(stream, 'noStream', proposeMany(3));
    const second = await store.append(stream, 2, proposeMany(2, 3));
    t.equal(first.revision, 2);
    t.equal(second.revision, 4);
    const events = await collect(store.readStream(stream));
    t.strictSame(events, [...first.events, ...second.events]);
    t.strictSame(
      events.map(({ revision }) => revision),
      [0, 1, 2, 3, 4],
    );
    const positions = events.map(({ position }) => position);
    t.strictSame([...positions].sort(), positions, 'in order as texts');
    t.equal(new Set(positions).size, 5, 'and all different');
    t.equal(second.position, positions.at(-1));
  });

  await t.test('many events of which the last position is enough: none is behind it', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    await store.append(stream, 'noStream', proposeMany(1));
    const proposed = proposeMany(3, 1);
    const result = await store.append(stream, 0, proposed, { lastPositionOnly: true });
    const stored = await collect(store.readStream(stream, { from: 1 }));
    t.equal(result.revision, 3);
    t.equal(result.duplicate, false);
    t.equal(result.position, stored.at(-1)?.position);
    t.strictSame(
      result.events.map((event, i) => ({ ...event, position: stored[i]?.position })),
      stored,
    );
    t.ok(
      result.events.every(({ position }) => position <= result.position),
      'whoever has seen the last one has seen all',
    );
    t.strictSame(
      await store.append(stream, 0, proposed),
      { ...result, events: stored, duplicate: true },
      'a repetition is told where each stands',
    );
  });

  await t.test('positions grow over all streams', async (t) => {
    const { store } = await open(t);
    let before = '';
    for (let i = 0; i < 20; i++) {
      const { position } = await store.append(freshStream(), 'noStream', [propose()]);
      t.ok(position > before, `${position} is behind ${before}`);
      before = position;
    }
  });

  await t.test('every expectation on a stream without and with events', async (t) => {
    const { store } = await open(t);
    const expectations: readonly [ExpectedRevision, whenEmpty: boolean, atRevision1: boolean][] = [
      ['any', true, true],
      ['noStream', true, false],
      ['streamExists', false, true],
      [0, false, false],
      [1, false, true],
      [2, false, false],
    ];
    for (const [expected, whenEmpty, atRevision1] of expectations) {
      const empty = freshStream();
      const filled = freshStream();
      await store.append(filled, 'noStream', proposeMany(2));
      const cases: readonly [StreamName, stored: boolean, before: number | null][] = [
        [empty, whenEmpty, null],
        [filled, atRevision1, 1],
      ];
      for (const [stream, stored, before] of cases) {
        const what = `${expected} at ${before ?? 'no event'}`;
        const event = propose({ n: 9 });
        if (stored) {
          const { revision } = await store.append(stream, expected, [event]);
          t.equal(revision, (before ?? -1) + 1, `${what} is stored`);
        } else {
          await t.rejects(
            store.append(stream, expected, [event]),
            { name: 'RevisionConflictError', kind: 'conflict', stream, expected, actual: before },
            `${what} is a conflict that says what was expected and what is`,
          );
        }
        const length = (await collect(store.readStream(stream))).length;
        t.equal(length, (before ?? -1) + 1 + (stored ? 1 : 0), `${what} leaves nothing else`);
      }
    }
  });

  await t.test('64 racing first appends: exactly one wins', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const racers = Array.from({ length: 64 }, (_, n) => propose({ n }));
    const outcomes = await Promise.allSettled(
      racers.map((event) => store.append(stream, 'noStream', [event])),
    );
    const winners = racers.filter((_, i) => outcomes[i]?.status === 'fulfilled');
    t.equal(winners.length, 1);
    t.strictSame(idsOf(await collect(store.readStream(stream))), idsOf(winners), 'its event is there, alone');
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        t.match(outcome.reason, { name: 'RevisionConflictError', expected: 'noStream', actual: 0 });
      }
    }
  });

  await t.test('64 racing appends behind the same revision: exactly one wins', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    await store.append(stream, 'noStream', proposeMany(2));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, () => store.append(stream, 1, proposeMany(2, 2))),
    );
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    t.strictSame(valuesOf(await collect(store.readStream(stream))), [0, 1, 2, 3]);
  });

  await t.test('64 appends that expect nothing are all stored, without a hole', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const appended = await Promise.all(
      Array.from({ length: 64 }, () => store.append(stream, 'any', proposeMany(2))),
    );
    const events = await collect(store.readStream(stream));
    t.strictSame(
      events.map(({ revision }) => revision),
      Array.from({ length: 128 }, (_, i) => i),
    );
    t.strictSame(
      valuesOf(events),
      Array.from({ length: 64 }, () => [0, 1]).flat(),
      'no append cuts into another',
    );
    t.strictSame(
      appended.flatMap((result) => result.events.map(({ revision }) => revision)).sort((a, b) => a - b),
      events.map(({ revision }) => revision),
      'and each was told its own revisions',
    );
  });

  await t.test('a refused append stores none of its events and disturbs no other', async (t) => {
    const { store } = await open(t);
    const [refused, stored] = [freshStream(), freshStream()];
    await store.append(refused, 'noStream', proposeMany(1));
    const outcomes = await Promise.allSettled([
      store.append(stored, 'noStream', proposeMany(3)),
      store.append(refused, 5, proposeMany(3)),
      store.append(stored, 'any', proposeMany(3, 3)),
    ]);
    t.strictSame(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    t.equal((await collect(store.readStream(refused))).length, 1);
    t.equal((await collect(store.readStream(stored))).length, 6);
  });

  await t.test('type, version, metadata and every kind of JSON are kept', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const data: JsonObject = {
      null: null,
      booleans: [true, false],
      numbers: [0, -1.5, 1e300, 5e-324, Number.MAX_SAFE_INTEGER],
      nested: { list: [{ deep: [[]] }], empty: {} },
      text: '',
    };
    const metadata = {
      time: 1_700_000_000_999,
      $correlationId: 'c-1',
      $causationId: 'c-2',
      commandId: 'command 3',
      by: 'supervisor 10.0.0.7:4711',
    };
    const event = propose(data, { type: 'PlotTaskReported', version: 7, metadata });
    const { position } = await store.append(stream, 'noStream', [event]);
    t.strictSame(await collect(store.readStream(stream)), [{ ...event, stream, revision: 0, position }]);
  });

  await t.test('text of every script, in names and data', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const name = `${stream}-ключ/名前 🦉 e\u0301-%2F?#`;
    const data: JsonObject = { '🦉 schlüssel': 'žluťoučký ꧁ עברית \u2028 \u0000 \\ " \n 👩‍🚀' };
    await store.append(name, 'noStream', [propose(data)]);
    const [event] = await collect(store.readStream(name));
    t.strictSame(event?.data, data);
    t.equal(event?.stream, name);
    t.strictSame(await collect(store.readStream(stream)), [], 'names are compared whole');
  });

  await t.test('large events', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const text = 'plot '.repeat(100_000);
    await store.append(stream, 'noStream', [propose({ text })]);
    await store.append(stream, 0, [propose({ text: 'small' })]);
    t.strictSame(valuesOf(await collect(store.readStream(stream)), 'text'), [text, 'small']);
  });

  await t.test('an append that makes no sense is invalid and leaves nothing', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const circular: JsonObject = {};
    circular['self'] = circular;
    const invalid = ofKind('invalid');
    await t.rejects(store.append(stream, 'any', []), invalid, 'no events');
    await t.rejects(store.append(stream, 'any', [propose(), propose(circular)]), invalid, 'no JSON form');
    await t.rejects(
      store.append(stream, 'any', [propose({}, { id: 'first' })]),
      invalid,
      'an id that is no UUID',
    );
    await t.rejects(store.append(stream, -1, [propose()]), invalid, 'a revision below 0');
    const twice = propose();
    await t.rejects(store.append(stream, 'any', [twice, twice]), invalid, 'the same event twice');
    for (const name of [
      '',
      'nodash',
      '-1',
      'plot task-1',
      'plot_task-',
      'plot_task-a\nb',
      'plot_task-\u0000',
    ]) {
      await t.rejects(store.append(name, 'any', [propose()]), invalid, `stream name ${JSON.stringify(name)}`);
    }
    t.strictSame(await collect(store.readStream(stream)), []);
  });
}
