/** What tallies are on a node, and what they can be asked for. */

import {
  answered,
  fields,
  type NodeContext,
  numberIn,
  type OpenedService,
  operation,
  type ServiceSide,
  textIn,
} from 'owl-fleet/system';
import type { TallyConfig } from './config.js';
import { add, tallies, tally } from './tally.js';
import { loadTallyProto, TALLIES } from './tally-proto.js';

const { id, int64, list, message, request, text, whole } = fields;
const shown = message('tally.Tally', { name: text().optional(), count: int64().optional() });

const addTo = operation({
  service: TALLIES,
  name: 'add',
  kind: 'decision',
  roles: ['submitter'],
  http: { method: 'POST', path: '/tallies/{name}/add' },
  summary: 'Counts something.',
  request: request({ name: id(), by: whole(1, 1_000).optional(), command_id: id().optional() }),
  answer: shown,
  commandId: 'command_id',
});

const listAll = operation({
  service: TALLIES,
  name: 'list',
  kind: 'query',
  roles: ['reader', 'submitter'],
  http: { method: 'GET', path: '/tallies' },
  summary: 'All tallies, by name.',
  request: request({}),
  answer: message('tally.TallyList', { tallies: list(shown).optional() }),
});

export const tallyService: ServiceSide<TallyConfig> = {
  actorTypes: [tally],
  projections: [tallies],
  proto: loadTallyProto(),
  open,
};

function open({ runtime }: NodeContext, { tally: { step } }: TallyConfig): OpenedService {
  const { system, db } = runtime;
  return {
    operations: [
      answered(addTo, async ({ name, by = step, command_id: orderId }, asking) => {
        const order = orderId === undefined ? {} : { id: orderId, asks: { name: 'add', content: { by } } };
        const { answer, duplicate } = await system.execute(tally, name, { ...add(by), ...order });
        asking.repeated(duplicate);
        return { name, ...answer };
      }),
      answered(listAll, async () => {
        await runtime.readYourWrites();
        const rows = db.prepare('SELECT name, count FROM tallies ORDER BY name').all();
        return { tallies: rows.map((row) => ({ name: textIn(row, 'name'), count: numberIn(row, 'count') })) };
      }),
    ],
    handlers: {},
  };
}
