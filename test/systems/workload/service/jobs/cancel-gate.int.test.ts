/** Behind the request to cancel a task there is no grant of its jobs: claims and requests that race, with the store holding one of them back. */

import t from 'tap';
import { delegating } from '../../../../../src/runtime/event-store/delegating-store.js';
import type { EventStore, RecordedEvent } from '../../../../../src/runtime/event-store/event-store.js';
import { STORES } from '../../../../support/both-stores.js';
import { until } from '../../../../support/until.js';
import { InnerPilot } from '../../support/inner-pilot.js';
import { inputOf, refusalOf, stored, submit, taskNode, untilJobs, untilState } from '../tasks/task-world.js';

/** Appends of one type of event wait until they are let through. */
function holding(store: EventStore, type: string) {
  let pass = () => {};
  let isHeld = false;
  const passed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  const append: EventStore['append'] = async (...parameters) => {
    if (parameters[2].some((event) => event.type === type)) {
      isHeld = true;
      await passed;
    }
    return await store.append(...parameters);
  };
  return { store: delegating(store, { append }), pass, isHeld: () => isHeld };
}

async function typesOf(store: EventStore): Promise<string[]> {
  const all: RecordedEvent[] = [...(await stored(store, 'wl_job')), ...(await stored(store, 'wl_task'))];
  return all.toSorted((a, b) => (a.position < b.position ? -1 : 1)).map(({ type }) => type);
}

const ORDERS = [
  ['cancel', 'cancelled'],
  ['hold', 'held'],
  ['finish', 'cancelled'],
] as const;

for (const [name, open] of Object.entries(STORES)) {
  t.test(
    `on ${name} a request waits for the grant that is under way, and then cancels it as running`,
    async (t) => {
      t.testdir();
      const held = holding(await open(t), 'JobClaimed');
      const node = await taskNode(t, held.store);
      const pilot = await new InnerPilot(node.context, 'p1').attach();
      const task = await submit(node, await inputOf(node, 1));
      await untilJobs(node, task, 1);
      const { id } = await node.row('SELECT id FROM job_dat');
      const uid = String(id);
      await pilot.queue(uid);
      const claiming = pilot.claim(uid);
      await until('the grant is being stored', held.isHeld);
      let isAnswered = false;
      const cancelling = node.ask('task_cancel', { id: task, reason: 'wrong' }).then(() => {
        isAnswered = true;
      });
      // Whoever overtakes the grant would be through by then.
      await node.runtime.readYourWrites();
      t.notOk(isAnswered);
      t.notOk((await typesOf(held.store)).includes('TaskCancelRequested'));
      held.pass();
      const claim = await claiming;
      await cancelling;
      await until('it is to be ended', async () => (await pilot.stateOf(uid)).value === 'cancelling');
      t.notMatch(await node.ask('task_status', { id: task }), { state: 'cancelled' }, 'it runs');
      await pilot.cancelled(claim);
      await untilState(node, task, 'cancelled');
      const types = await typesOf(held.store);
      t.strictSame(types.slice(types.indexOf('JobClaimed')), [
        'JobClaimed',
        'TaskCancelRequested',
        'JobCancelRequested',
        'JobCancelled',
        'TaskCancelled',
      ]);
    },
  );

  t.test(`on ${name} a claim waits for the order that is under way, and is refused`, async (t) => {
    for (const [order, reason] of name === 'SQLite' ? ORDERS : ORDERS.slice(0, 1)) {
      t.testdir();
      const type = { cancel: 'TaskCancelRequested', hold: 'TaskHeld', finish: 'TaskFinishRequested' }[order];
      const held = holding(await open(t), type);
      const node = await taskNode(t, held.store);
      const pilot = await new InnerPilot(node.context, 'p1').attach();
      const task = await submit(node, await inputOf(node, 1));
      await untilJobs(node, task, 1);
      const { id } = await node.row('SELECT id FROM job_dat');
      await pilot.queue(String(id));
      const ordering = node.ask(`task_${order}`, { id: task });
      await until('the order is being stored', held.isHeld);
      const claiming = refusalOf(pilot.claim(String(id)));
      await node.runtime.readYourWrites();
      held.pass();
      t.match(await claiming, { reason }, order);
      await ordering;
      t.notOk((await typesOf(held.store)).includes('JobClaimed'), order);
      await node.close();
    }
  });
}
