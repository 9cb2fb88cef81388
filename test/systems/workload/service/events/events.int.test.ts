/** Every event of workloads, followed over both roads: each once and in order, also by who was cut off in between. */

import t from 'tap';
import { z } from 'zod';
import { EVENTS, watchEvents } from '../../../../../src/systems/workload/service/events/event-operations.js';
import { loadProto } from '../../../../../src/wire/proto.js';
import { differences } from '../../../../node/operations/operation-contract.js';
import { NODE_STORES, startHttpWorkload } from '../../support/http-workload.js';

const URL = '/api/v1/workload/events';
const Told = z.looseObject({
  cursor: z.string(),
  category: z.string(),
  type: z.string(),
  id: z.string(),
  data: z.string(),
});

t.test('the operation is what the proto file says', async (t) => {
  t.strictSame(differences(watchEvents, loadProto('workload')), []);
});

for (const [name, storeOf] of Object.entries(NODE_STORES))
  t.test(`followed on ${name}`, async (t) => {
    const node = await startHttpWorkload(t, { config: await storeOf(t) });
    const register = (dataset: string) =>
      node.ask('POST', '/api/v1/workload/datasets', { body: { name: dataset } });
    await register('a');
    await register('b');
    const isRegistered =
      (dataset: string) =>
      ({ data }: { readonly data: unknown }) => {
        const { type, data: stored } = Told.parse(data);
        return type === 'DatasetRegistered' && stored.includes(`"name":"${dataset}`);
      };
    const all = (await node.follow(URL, isRegistered('b'))).map(({ id, data }) => ({
      id,
      data: Told.parse(data),
    }));
    t.same([...new Set(all.map(({ data }) => data.category))].sort(), ['catalogue', 'dataset']);
    t.ok(
      all.every(({ id, data }) => id === data.cursor),
      'each can be gone on from',
    );
    const own = all.filter(({ data }) => data.type === 'DatasetRegistered');
    t.match(own[0]?.data, { id: /^[0-9a-f-]{36}$/, time: Number, by: String, data: /"name":"a"/ });

    const behind = await node.follow(URL, isRegistered('b'), { 'last-event-id': own[0]?.id ?? '' });
    t.strictSame(
      behind.map(({ id }) => id),
      all.slice(all.findIndex(({ id }) => id === own[0]?.id) + 1).map(({ id }) => id),
      'behind it comes what came behind it',
    );
    const some = await node.follow(`${URL}?category=dataset&after=${own[0]?.id}`, isRegistered('b'));
    t.match(some, [{ data: { category: 'dataset', type: 'DatasetRegistered' } }]);
    const fresh = node.follow(`${URL}?category=dataset&after=now`, isRegistered('later'));
    const overGrpc = await node.stream(EVENTS, 'event_watch', { category: ['dataset'] }, (event) =>
      /"name":"b"/.test(String(Reflect.get(event, 'data'))),
    );
    t.same(
      overGrpc.map((event) => Reflect.get(event, 'cursor')),
      own.map(({ id }) => id),
    );
    // Whoever asked for what comes may have been heard only now: one of these is the first that it is told.
    const following = { isOver: false };
    const told = fresh.finally(() => {
      following.isOver = true;
    });
    for (let n = 0; !following.isOver; n += 1) await register(`later ${n}`);
    t.match(await told, [{ data: { data: /"name":"later / } }]);

    t.match(await node.ask('GET', `${URL}?category=plot`), { status: 422, body: { field: 'category' } });
    t.match(await node.ask('GET', `${URL}?after=nonsense`), { status: 422, body: { field: 'after' } });
    t.match(await node.ask('GET', URL, { authorization: null }), { status: 401 });
  });
