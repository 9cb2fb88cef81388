/** What every kind of entity gets from its declaration: names, paths and roles, orders, lists, histories, and how one is named. */

import t from 'tap';
import { rowAsOf } from '../../../src/node/entities/as-of.js';
import { entityHistory } from '../../../src/node/entities/entity-history.js';
import { eachEntity, pageOfEntities, selectEntities } from '../../../src/node/entities/entity-lists.js';
import { carryOutOrder, makeEntity } from '../../../src/node/entities/entity-orders.js';
import { findEntity } from '../../../src/node/entities/entity-table.js';
import { ofKind } from '../../support/events.js';
import { asking, DECLARED, LAMP, lamp, lampNode, lamps, lampTable, light } from './lamps.js';

const UIDS = ['aaaa1111-0000-4000-8000-000000000000', 'aaaa2222-0000-4000-8000-000000000000'] as const;

t.test('operations of a kind of entity are called, found and allowed alike', async (t) => {
  t.strictSame(
    DECLARED.map(({ name, kind, roles, http: { method, path, success }, isStream }) =>
      [name, kind, roles.join(), method, path, success ?? 200, isStream ?? false].join(' '),
    ),
    [
      'lamp_status query reader,submitter,worker,operator GET /lamps/{id} 200 false',
      'lamp_list query reader,submitter,worker,operator GET /lamps 200 false',
      'lamp_watch query reader,submitter,worker,operator GET /lamps/watch 200 true',
      'lamp_history query reader,submitter,worker,operator GET /lamps/{id}/history 200 true',
      'lamp_light decision submitter,operator POST /lamps/{id}/light 200 false',
      'lamp_break decision operator POST /lamps/{id}/break 202 false',
    ],
  );
});

function make(node: Awaited<ReturnType<typeof lampNode>>, who: ReturnType<typeof asking>, given = {}) {
  const looked: string[] = [];
  const order = {
    ...{ type: lamp, table: LAMP, seed: 'lamps/1', name: 'lamp_make', commandId: 'c-1', given: undefined },
    content: { name: 'desk' },
    read: (uid: string) => {
      looked.push(uid);
      return 'desk';
    },
    decide: (_found: unknown, _uid: string, name: string | undefined) =>
      name === undefined ? [] : [{ type: 'LampMade', data: { name } }],
    ...given,
  };
  return makeEntity(node, who, order).then((uid) => ({ uid, looked }));
}

t.test('an entity that is made under the id of an order is the same one when it is made again', async (t) => {
  const node = await lampNode(t);
  const who = asking();
  const first = await make(node, who);
  t.strictSame(first.looked, [first.uid], 'it is looked at before');
  t.equal(findEntity(node.db, LAMP, first.uid)['name'], 'desk', 'its row is there');
  const again = await make(node, who);
  t.strictSame(again, { uid: first.uid, looked: [] }, 'what is there is not looked at again');
  t.strictSame(who.told, [false, true]);
  await t.rejects(make(node, who, { content: { name: 'shelf' } }), ofKind('exists'), 'another under its id');
  const [given] = UIDS;
  const other = await make(node, who, {
    commandId: undefined,
    given: given.replaceAll('-', '').toUpperCase(),
  });
  t.equal(other.uid, given, 'as it was given');
  const nameless = await make(node, who, { commandId: undefined });
  t.not((await make(node, who, { commandId: undefined })).uid, nameless.uid, 'without an id it is another');
});

t.test('an order is stored and shown before it is answered, once under its id', async (t) => {
  const node = await lampNode(t);
  const who = asking();
  const { uid } = await make(node, who);
  const passed: string[] = [];
  const order = (commandId: string | undefined, name = 'lamp_light') =>
    carryOutOrder(node, who, {
      ...{ type: lamp, name, commandId, content: () => ({}), decide: () => light },
      find: () => String(findEntity(node.db, LAMP, '1')['uid']),
      through: (of, store) => {
        passed.push(of);
        return store();
      },
    });
  t.equal(await order('o-1'), uid);
  t.equal(findEntity(node.db, LAMP, uid)['state'], 'lit');
  t.equal(await order('o-1'), uid, 'again it changes nothing, and is no refusal');
  t.strictSame(who.told.slice(1), [false, true]);
  await t.rejects(order('o-1', 'lamp_break'), ofKind('exists'), 'another order under its id');
  await t.rejects(order(undefined), ofKind('refused'), 'what its state refuses');
  t.strictSame(passed, [uid, uid, uid, uid], 'each is stored through what it has to wait for');
});

t.test('what happened to one, and how it was', async (t) => {
  const node = await lampNode(t);
  const { uid } = await make(node, asking());
  await node.system.execute(lamp, uid, { by: 'bert', decide: light });
  await node.readYourWrites();
  const events: { type?: string | undefined; time?: number | undefined; by?: string | undefined }[] = [];
  for await (const event of entityHistory(node, { type: lamp, table: LAMP }, 'desk')) events.push(event);
  t.strictSame(
    events.map(({ type, by }) => `${type} ${by}`),
    ['LampMade anna', 'LampLit bert'],
  );
  const now = findEntity(node.db, LAMP, uid);
  const asOf = (at: number) =>
    rowAsOf(node, { projection: lamps, type: lamp, table: LAMP, numbers: ['lamp_id'] }, now, at);
  t.match(await asOf(events[1]?.time ?? 0), { lamp_id: 1, state: 'lit' });
  t.match(await asOf(events[0]?.time ?? 0), { lamp_id: 1, uid });
  const before = asOf((events[0]?.time ?? 0) - 1);
  await t.rejects(before, ofKind('not_found'), 'before there was one');
});

t.test('one is named by uid, number, name or the beginning of a uid', async (t) => {
  const db = lampTable(t, [
    [UIDS[0], 'desk', 'dark'],
    [UIDS[1], 'shelf', 'lit'],
  ]);
  const found = (id: string) => findEntity(db, LAMP, id)['lamp_id'];
  t.strictSame([found(UIDS[1]), found(UIDS[1].toUpperCase()), found('2'), found('shelf')], [2, 2, 2, 2]);
  t.equal(found('AAAA2'), 2, 'a beginning that no other has');
  t.throws(() => found('aaaa'), { kind: 'invalid', message: /several lamps begin with aaaa/ });
  t.throws(() => found('aaa'), ofKind('not_found'), 'too short for a beginning');
  t.throws(() => found('floor'), {
    ...{ kind: 'not_found', reason: 'lamp_not_found' },
    message: 'there is no lamp floor; the newest are 2 (shelf), 1 (desk)',
  });
  t.throws(() => findEntity(lampTable(t, []), LAMP, '1'), { message: /none is there yet/ });
});

t.test('pages go on behind the last row in either order, with the filter that they began with', async (t) => {
  const rows = Array.from({ length: 1_203 }, (_, i) => {
    const uid = `${String(i + 1).padStart(8, '0')}-0000-4000-8000-000000000000`;
    return [uid, `lamp ${i + 1}`, i % 3 === 0 ? 'lit' : 'dark'] as const;
  });
  const db = lampTable(t, rows);
  let waited = 0;
  const context = { readYourWrites: async () => void waited++ };
  const page = (state: string[], newestFirst: boolean, page_token?: string) =>
    pageOfEntities(
      context,
      { page_size: 100, newest_first: newestFirst, page_token },
      {
        ...{ number: LAMP.number, query: { state, newestFirst } },
        look: (place) => ({
          rows: selectEntities(db, LAMP, { state }, place),
          show: (row) => Number(row['lamp_id']),
        }),
      },
    );
  const lit = rows.flatMap(([, , state], i) => (state === 'lit' ? [i + 1] : []));
  for (const newestFirst of [false, true]) {
    const seen: number[] = [];
    for (let token: string | undefined; ; ) {
      const { messages, next } = await page(['lit'], newestFirst, token);
      seen.push(...messages);
      token = next.next_page_token;
      if (token === undefined) break;
    }
    t.strictSame(seen, newestFirst ? lit.toReversed() : lit);
  }
  t.equal(waited, 10, 'each page waits for what was acknowledged');
  const { next } = await page(['lit', 'dark'], false);
  await t.rejects(page(['lit'], false, next.next_page_token), ofKind('invalid'), 'a token of another list');
  t.strictSame(
    [...eachEntity(db, LAMP, { state: ['lit'] })].map((row) => row['lamp_id']),
    lit,
  );
  t.equal([...eachEntity(db, LAMP, {})].length, rows.length);
  t.strictSame([...eachEntity(db, LAMP, { state: ['lit'], name: ['lamp 2'] })], []);
});
