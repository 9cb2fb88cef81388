/** One loop on its read models, on the embedded store: when its rounds come, and what becomes of one that fails or does not end. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Loop, LoopContext, LoopRest } from '../../../src/runtime/loops/loop.js';
import { ManualClock } from '../../support/manual-clock.js';
import { NOTICES_IN_A_ROUND, type Notice, notices, tellsHolders } from '../../support/notices.js';
import { until } from '../../support/until.js';
import { type LoopingNode, type LoopingOptions, loopingNode } from './looping-node.js';

/** A loop whose rounds wait to be ended by the test, which also says what they answer. */
function heldLoop(more: Partial<Loop> = {}) {
  const contexts: LoopContext[] = [];
  const ends: ((rest?: LoopRest) => void)[] = [];
  const loop: Loop = {
    name: 'held',
    readModels: [notices.name],
    round: (context) =>
      new Promise((resolve) => {
        contexts.push(context);
        ends.push((rest = {}) => resolve(rest));
      }),
    ...more,
  };
  return {
    loop,
    contexts,
    get rounds() {
      return contexts.length;
    },
    /** False when none is under way. */
    end(rest?: LoopRest): boolean {
      const end = ends.shift();
      end?.(rest);
      return end !== undefined;
    },
  };
}

/** A node with that loop, in its first round. What is still held when the test ends is let go. */
async function holding(t: Test, more: Partial<Loop> = {}, options: LoopingOptions = {}) {
  const held = heldLoop(more);
  const node = await loopingNode(t, () => [held.loop], options);
  t.teardown(() => {
    while (held.end());
  });
  await until('it is in its first round', () => held.rounds === 1);
  return { held, node };
}

/** Everything that was granted by now is in the table, and was told to the loops. */
const applied = ({ runtime }: LoopingNode) => runtime.readYourWrites();

t.test('who was granted a permit is told once, also over a restart of the node', async (t) => {
  const told: Notice[] = [];
  const databasePath = join(t.testdir(), 'owl.db');
  const tells = () =>
    loopingNode(t, (runtime) => [tellsHolders({ runtime, tell: (one) => void told.push(one) })], {
      databasePath,
    });
  const node = await tells();
  await node.grant('a');
  await node.grant('b');
  await until('both were told', () => told.length === 2);
  await until('there is nothing to do', () => node.status().state === 'resting');
  t.match(node.status(), { name: 'tells-holders', why: 'everybody was told', until: undefined, failures: 0 });
  await node.runtime.stopLoops();
  t.equal(node.status().state, 'ended');
  await node.close();

  const again = await tells();
  await again.grant('c');
  await until('the third was told', () => told.length === 3);
  t.same(
    told.map(({ holder }) => holder),
    ['a', 'b', 'c'],
  );
});

t.test('what a round leaves to the next one comes at once', async (t) => {
  const told = new Set<string>();
  const node = await loopingNode(t, () => []);
  const holders = Array.from({ length: NOTICES_IN_A_ROUND + 5 }, (_, n) => `h${n}`);
  for (const holder of holders) await node.grant(holder);
  const { runtime } = node;
  runtime.startLoops([tellsHolders({ runtime, tell: (one) => void told.add(one.holder) })]);
  await until('all were told', () => told.size === holders.length);
  await until('there is nothing to do', () => node.status().state === 'resting');
  t.equal(node.status().rounds, 2);
});

t.test('events that come during a round are followed by exactly one more', async (t) => {
  const { held, node } = await holding(t);
  t.equal(node.status().state, 'running');
  for (const holder of ['a', 'b', 'c']) await node.grant(holder);
  await applied(node);
  held.end();
  await until('it is in its second round', () => held.rounds === 2);
  held.end();
  await until('it rests', () => node.status().state === 'resting');
  t.equal(node.status().rounds, 2);
  await node.grant('d');
  await until('it is in its third round', () => held.rounds === 3);
});

t.test('an event that the loop says is no reason wakes it not', async (t) => {
  const seen: string[] = [];
  const { held, node } = await holding(t, {
    applied: (events) => {
      seen.push(...events.map(({ type }) => type));
      return events.some(({ data }) => data['holder'] === 'b');
    },
  });
  held.end({ why: 'b is not there' });
  await until('it rests', () => node.status().state === 'resting');
  t.equal(node.status().why, 'b is not there');
  await node.grant('a');
  await applied(node);
  t.equal(node.status().state, 'resting');
  await node.grant('b');
  await until('it is in its second round', () => held.rounds === 2);
  t.same(seen, ['SemaphoreCreated', 'PermitAcquired', 'PermitAcquired']);
});

t.test('time wakes it when the round has said so, and not before', async (t) => {
  const clock = new ManualClock();
  const { held, node } = await holding(t, {}, { clock });
  const due = clock.now() + 600_000;
  held.end({ until: due });
  await until('it rests', () => node.status().state === 'resting');
  t.equal(node.status().until, due);
  clock.advance(599_999);
  await applied(node);
  t.equal(node.status().state, 'resting');
  clock.advance(1);
  await until('it is in its second round', () => held.rounds === 2);
  held.end({ until: clock.now() + 600_000 });
  await until('it rests again', () => node.status().state === 'resting');
  clock.step(600_000);
  clock.advance(60_000);
  await until('a clock that was set is noticed', () => held.rounds === 3);
});

t.test('a clock that is set back by an hour makes no rest an hour longer', async (t) => {
  const clock = new ManualClock();
  const { held, node } = await holding(t, {}, { clock });
  held.end({ until: clock.now() + 1_000 });
  await until('it rests', () => node.status().state === 'resting');
  clock.step(-3_600_000);
  clock.advance(999);
  await applied(node);
  t.equal(node.status().state, 'resting');
  clock.advance(1);
  await until('a round finds out what is to wait for by now', () => held.rounds === 2);
});

t.test('a round that fails is tried again after delays that grow and that no event shortens', async (t) => {
  const clock = new ManualClock();
  let fails = true;
  let rounds = 0;
  const loop: Loop = {
    name: 'failing',
    readModels: [notices.name],
    round: () => {
      rounds += 1;
      if (fails) throw new Error('the printer is out of paper');
      return {};
    },
  };
  const node = await loopingNode(t, () => [loop], { clock });
  const delays: number[] = [];
  for (let failures = 1; failures <= 5; failures++) {
    await until('it has failed', () => node.status().failures === failures);
    const { state, why, until: next = 0 } = node.status();
    t.match([state, why], ['failing', 'the printer is out of paper']);
    delays.push(next - clock.now());
    await node.grant(`h${failures}`);
    await applied(node);
    clock.advance(next - clock.now() - 1);
    t.equal(rounds, failures);
    clock.advance(2);
  }
  t.ok(
    delays.every((delay, n) => n === 0 || delay >= (delays[n - 1] ?? 0)),
    `they grow: ${delays}`,
  );
  t.equal(node.log.messages('warn').filter((line) => line.startsWith('a loop failed')).length, 5);
  await until('it has failed once more', () => node.status().failures === 6);
  fails = false;
  clock.advance(30_000);
  await until('it goes on', () => node.status().state === 'resting');
  t.match(node.status(), { failures: 0, rounds: 1, why: undefined });
});

t.test('a round that answers no time has failed', async (t) => {
  const loop: Loop = { name: 'a', readModels: [notices.name], round: () => ({ until: Number.NaN }) };
  const node = await loopingNode(t, () => [loop], { clock: new ManualClock() });
  await until('it has failed', () => node.status().failures === 1);
  t.match(node.status(), { state: 'failing', why: 'a round of the loop a rests until NaN', rounds: 0 });
});

t.test('one loop that throws keeps no other from its rounds', async (t) => {
  const throwing: Loop = {
    name: 'a',
    readModels: [notices.name],
    round: () => Promise.reject(new Error('no')),
  };
  let rounds = 0;
  const other: Loop = {
    name: 'b',
    readModels: [notices.name],
    round: () => {
      rounds += 1;
      return {};
    },
  };
  const node = await loopingNode(t, () => [throwing, other]);
  await until('the other had its round', () => rounds === 1);
  await until('the one has failed', () => node.status().failures > 0);
});

t.test('what a loop keeps in memory is made anew when it could not follow', async (t) => {
  let begun = 0;
  const held = heldLoop({
    begin: () => {
      begun += 1;
    },
    applied: ([event]) => {
      if (event?.data['holder'] === 'bad') throw new Error('who is that?');
      return true;
    },
    round: () => ({}),
  });
  const node = await loopingNode(t, () => [held.loop]);
  await until('it rests', () => node.status().state === 'resting');
  t.equal(begun, 1);
  await node.grant('bad');
  await until('it has begun anew', () => begun === 2);
  t.match(node.log.messages('error'), ['a loop could not follow what was applied; it begins anew']);
});

t.test('it begins anew when a read model was filled anew', async (t) => {
  let begun = 0;
  const { held, node } = await holding(t, {
    begin: () => {
      begun += 1;
    },
  });
  await node.runtime.projector(notices.name).rebuild();
  t.ok(held.contexts[0]?.signal.aborted, 'the round is told');
  t.throws(() => held.contexts[0]?.assertMayAct(), { message: /are made anew/ });
  t.equal(held.rounds, 1, 'and waited for');
  held.end();
  await until('it is in a round again', () => held.rounds === 2);
  t.equal(begun, 2);
});

async function stopping(t: Test) {
  const clock = new ManualClock();
  const { held, node } = await holding(t, {}, { clock });
  return { clock, held, node, stopped: node.runtime.stopLoops() };
}

t.test('a stop aborts the round and waits for its end', async (t) => {
  const { held, node, stopped } = await stopping(t);
  t.ok(held.contexts[0]?.signal.aborted);
  t.equal(node.status().state, 'running');
  held.end();
  await stopped;
  t.match(node.status(), { state: 'ended', rounds: 1 });
  await node.grant('a');
  await applied(node);
  t.equal(held.rounds, 1);
});

t.test('a round that does not end holds up a stop only so long', async (t) => {
  const { clock, node, stopped } = await stopping(t);
  clock.advance(10_000);
  await stopped;
  t.equal(node.status().state, 'running');
  t.match(node.log.messages('error'), [/^a loop does not end/]);
});

t.test('a loop on a read model that nobody declared is refused', async (t) => {
  const node = await loopingNode(t, () => []);
  const { loop } = heldLoop({ readModels: ['nothing'] });
  t.throws(() => node.runtime.startLoops([loop]), { message: /rests on nothing, and no such/ });
  const { loop: one } = heldLoop({ round: () => ({}) });
  t.throws(() => node.runtime.startLoops([one, one]), { message: 'two loops are called held' });
});
