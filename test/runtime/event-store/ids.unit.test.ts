import t from 'tap';
import type { Json, JsonObject } from '../../../src/runtime/event-store/event-store.js';
import { askedOf, contentCommandId, eventIdOf, isUuid } from '../../../src/runtime/event-store/ids.js';

t.test('an event id follows from command, stream, revision and index, and from nothing else', async (t) => {
  const id = eventIdOf('command-1', 'plot_task-1', 5, 0);
  t.equal(id, eventIdOf('command-1', 'plot_task-1', 5, 0));
  const others = [
    eventIdOf('command-2', 'plot_task-1', 5, 0),
    eventIdOf('command-1', 'plot_task-2', 5, 0),
    eventIdOf('command-1', 'plot_task-1', 5, 1),
    eventIdOf('command-1', 'plot_task-1', 6, 0),
    eventIdOf('1', 'plot_task-1/command-', 5, 0),
    eventIdOf('plot_task-1/command-1', '', 5, 0),
  ];
  t.equal(new Set([id, ...others]).size, 7);
});

t.test('event ids are what they were since their recipe was last changed', async (t) => {
  t.equal(eventIdOf('command-1', 'plot_task-1', 5, 0), '0a7ed747-18a5-5170-bf39-f4c6bb72c8d9');
});

t.test('event ids are UUIDs of version 5', async (t) => {
  for (let n = 0; n < 200; n++) {
    const id = eventIdOf(`command ${n}`, 'plot_task-ключ', n, n);
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    t.ok(isUuid(id));
  }
});

t.test('a command without an id is known by stream, revision and content', async (t) => {
  const events = [{ type: 'Counted', data: { n: 1, of: 2 } }];
  const id = contentCommandId('s-1', 3, events);
  t.equal(id, contentCommandId('s-1', 3, [{ type: 'Counted', data: { n: 1, of: 2 } }]));
  const others = [
    contentCommandId('s-2', 3, events),
    contentCommandId('s-1', 4, events),
    contentCommandId('s-1', 3, [{ type: 'Recounted', data: { n: 1, of: 2 } }]),
    contentCommandId('s-1', 3, [{ type: 'Counted', data: { n: 2, of: 2 } }]),
    contentCommandId('s-1', 3, [{ type: 'Counted', data: { of: 2, n: 1 } }]),
    contentCommandId('s-1', 3, [...events, ...events]),
    contentCommandId('s-1', 3, []),
  ];
  t.equal(new Set([id, ...others]).size, 8);
});

t.test('keys of maps and records have no order, fields have', async (t) => {
  const one = { n: 1, map: { a: 1, b: { c: [{ x: 1, y: 2 }] } } };
  const same = { n: 1, map: { b: { c: [{ y: 2, x: 1 }] }, a: 1 } };
  const id = (data: JsonObject) => contentCommandId('s-1', 3, [{ type: 'Counted', data }]);
  t.equal(id(one), id(same));
  t.equal(askedOf('count', one), askedOf('count', same));
  const others = [
    { n: 1, map: { a: 1, b: { c: [{ x: 2, y: 1 }] } } },
    { map: one.map, n: 1 },
    { ...one, list: [1, 2] },
    { ...one, list: [2, 1] },
  ];
  t.equal(new Set([one, ...others].map(id)).size, 5);
  t.equal(new Set([one, ...others].map((data) => askedOf('count', data))).size, 5);
  let deep: Json = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  t.throws(() => id({ deep }), { kind: 'invalid', message: /deeper than 64 levels/ });
});

t.test('ids and digests of flat content are those of every release', async (t) => {
  const data: JsonObject = { z: 1.5, a: 'ключ \ud800', m: -0, yes: true, nothing: null, '10': 1e21 };
  const gone = Object.assign<JsonObject, object>({ ...data }, { gone: undefined });
  for (const content of [data, gone]) {
    t.equal(
      contentCommandId('s-1', 3, [{ type: 'Counted', data: content }]),
      '90dfbaf1-d029-5fe6-9757-60cbd15d1e51',
    );
    t.equal(askedOf('count', content), 'count/0bb22fc703b83183dce9');
  }
});

t.test('what is no UUID in lower case is not one', async (t) => {
  t.equal(isUuid('0b0f5a3e-7d0f-4c58-9f6c-0242ac120002'), true);
  for (const text of [
    '',
    'task_1',
    '0B0F5A3E-7D0F-4C58-9F6C-0242AC120002',
    ' 0b0f5a3e-7d0f-4c58-9f6c-0242ac120002',
  ]) {
    t.equal(isUuid(text), false, JSON.stringify(text));
  }
});

t.test('what an order asked for is its name and a digest of the rest', async (t) => {
  const asked = askedOf('stop', { reason: 'sold' });
  t.match(asked, /^stop\/[0-9a-f]{20}$/);
  t.equal(asked, askedOf('stop', { reason: 'sold' }));
  t.not(asked, askedOf('stop', { reason: 'bought' }));
  t.not(asked, askedOf('retry', { reason: 'sold' }));
});
