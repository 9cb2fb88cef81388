/** The one tap for what happens in a node. */

import t from 'tap';
import { LifeCycle, type LifeCycleEvent } from '../../../src/runtime/life-cycle/life-cycle.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';

function tap() {
  const log = logLines();
  return { log, lifeCycle: new LifeCycle(log.logger, new ManualClock()) };
}

const AWAY: LifeCycleEvent = { type: 'store away', reason: 'it is' };

t.test('who listens to a type hears that alone, in the turn in which it happens', async (t) => {
  const { lifeCycle } = tap();
  const heard: string[] = [];
  lifeCycle.on('store away', ({ reason }) => heard.push(`one: ${reason}`));
  lifeCycle.follow(({ type }) => heard.push(`all: ${type}`));
  lifeCycle.tell(AWAY);
  lifeCycle.tell({ type: 'store back' });
  t.same(heard, ['one: it is', 'all: store away', 'all: store back']);
});

t.test('whether anybody listens is known by type, and ends with the listener', async (t) => {
  const { lifeCycle } = tap();
  t.notOk(lifeCycle.wants('store away'));
  const ends = [lifeCycle.on('store away', () => undefined), lifeCycle.on('store away', () => undefined)];
  t.ok(lifeCycle.wants('store away'));
  t.notOk(lifeCycle.wants('store back'));
  for (const end of [...ends, ...ends]) end();
  t.notOk(lifeCycle.wants('store away'));
  const again = lifeCycle.on('store away', () => undefined);
  ends[0]?.();
  t.ok(lifeCycle.wants('store away'), 'an old one takes no other away');
  again();
  const unfollow = lifeCycle.follow(() => undefined);
  t.ok(lifeCycle.wants('store back'));
  unfollow();
  t.notOk(lifeCycle.wants('store back'));
});

t.test('a listener that throws hurts neither others nor what happens, and the log says so', async (t) => {
  const { lifeCycle, log } = tap();
  let heard = 0;
  const hear = () => {
    heard += 1;
  };
  const fail = () => {
    throw new Error('the meter is broken');
  };
  lifeCycle.on('store away', fail);
  lifeCycle.on('store away', hear);
  lifeCycle.follow(fail);
  lifeCycle.follow(hear);
  lifeCycle.tell(AWAY);
  t.equal(heard, 2);
  t.match(log.entries('error'), [
    { event: 'store away', err: { message: 'the meter is broken' } },
    { event: 'store away' },
  ]);
});

t.test('a listener that ends another one, or itself, while it hears leaves the others theirs', async (t) => {
  const { lifeCycle } = tap();
  const heard: string[] = [];
  const end = lifeCycle.on('store away', () => {
    heard.push('first');
    end();
  });
  lifeCycle.on('store away', () => heard.push('second'));
  lifeCycle.tell(AWAY);
  lifeCycle.tell(AWAY);
  t.same(heard, ['first', 'second', 'second']);
});
