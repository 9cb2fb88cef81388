/** What a semaphore grants, without a store: the example of how decisions, timers and refusals of an actor type are tested. */

import t from 'tap';
import { happens, specificationOf, timerDue } from '../../support/given.js';
import {
  acquire,
  acquireAll,
  create,
  release,
  renew,
  type SemaphoreEvent,
  semaphore,
} from '../../support/semaphore.js';

const given = specificationOf(semaphore);
const EXPIRES_AT = 1_700_000_600_000;
const HELD = { count: 1, root: { tokens: ['a'], marks: [EXPIRES_AT] } };

const created: SemaphoreEvent = { type: 'SemaphoreCreated', data: { capacity: 1 } };
const hold = (holder: string): SemaphoreEvent => ({
  type: 'PermitAcquired',
  data: { holder, expires_at: EXPIRES_AT },
});
const wait = (holder: string): SemaphoreEvent => ({ type: 'PermitAwaited', data: { holder } });
const expire = (holder: string): SemaphoreEvent => ({ type: 'PermitExpired', data: { holder } });

t.test('who asks gets a permit, or a place in the queue', async (t) => {
  given([created])
    .when(acquire('a', EXPIRES_AT))
    .then(t, { events: [hold('a')], answer: { holder: 'a', state: 'held' } }, { context: { holders: HELD } });
  given([created, hold('a')])
    .when(acquire('b', EXPIRES_AT))
    .then(
      t,
      { events: [wait('b')], answer: { holder: 'b', state: 'waiting' } },
      { context: { holders: HELD, queue: { root: { marks: ['b'] } } } },
    );
  given([created, hold('a'), expire('a'), wait('b')])
    .when(acquire('c', EXPIRES_AT))
    .then(t, [wait('c')], 'nobody goes past one who waits');
  given([created, hold('a'), wait('b')])
    .when(acquire('a', EXPIRES_AT))
    .then(t, { events: [], answer: { holder: 'a', state: 'held' } });
  given([created, hold('a'), wait('b')])
    .when(acquire('b', EXPIRES_AT))
    .then(t, { events: [], answer: { holder: 'b', state: 'waiting' } });
});

t.test('several ask in one order: as many as there is room for hold a permit, the others wait', async (t) => {
  const order = acquireAll(['a', 'b', 'b', 'c', 'd'], EXPIRES_AT, 'order');
  const acquired: SemaphoreEvent = {
    type: 'PermitsAcquired',
    data: { holders: ['b', 'c'], expires_at: EXPIRES_AT },
  };
  const awaited: SemaphoreEvent = { type: 'PermitsAwaited', data: { holders: ['d'] } };
  const three: SemaphoreEvent = { type: 'SemaphoreCreated', data: { capacity: 3 } };
  given([three, hold('a')])
    .when(order)
    .then(t, { events: [acquired, awaited], answer: { held: 3, waiting: 1 } }, { context: { turn: 1 } });
  given([three, hold('a'), acquired, awaited])
    .when(order)
    .then(t, { events: [], answer: { held: 3, waiting: 1 } }, 'decided by state where it was forgotten');
  given([created, hold('a')])
    .when(happens({ type: 'PermitsAcquired', data: { holders: ['b'], expires_at: 0 } }))
    .then(t, { kind: 'refused', message: 'PermitsAcquired is not possible in state open' });
  given([three])
    .when(happens({ type: 'PermitsAwaited', data: { holders: ['b', 'b'] } }))
    .then(t, { kind: 'refused', message: 'PermitsAwaited is not possible in state open' });
});

t.test('never more holders than the capacity, whoever decides so', async (t) => {
  given([created, hold('a')])
    .when(happens(hold('b')))
    .then(t, { kind: 'refused', message: 'PermitAcquired is not possible in state open' });
  given([])
    .when(create(0))
    .then(t, { kind: 'refused', message: 'SemaphoreCreated is not possible in state absent' });
  given([])
    .when(create(1.5))
    .then(t, { kind: 'invalid', message: /^event semaphore\/SemaphoreCreated .*capacity/ });
});

t.test('only who holds a permit renews or releases it', async (t) => {
  const released: SemaphoreEvent = { type: 'PermitReleased', data: { holder: 'a' } };
  const renewed: SemaphoreEvent = {
    type: 'PermitRenewed',
    data: { holder: 'a', expires_at: EXPIRES_AT + 1 },
  };
  given([created, hold('a')])
    .when(release('a'))
    .then(t, [released], { context: { holders: { count: 0 } } });
  given([created, hold('a')])
    .when(renew('a', EXPIRES_AT + 1))
    .then(t, [renewed]);
  for (const order of [release('b'), renew('b', EXPIRES_AT)])
    given([created, hold('a')])
      .when(order)
      .then(t, { kind: 'refused', message: 'b holds no permit' });
  const message = 'there is no such semaphore; create it first';
  for (const order of [acquire('a', EXPIRES_AT), release('a'), renew('a', EXPIRES_AT)])
    given([]).when(order).then(t, { kind: 'not_found', message });
});

t.test('a permit expires at the end of its lease, unless it was renewed or given back', async (t) => {
  const held = given([created, hold('a')]);
  held.when(timerDue(semaphore, 'a', EXPIRES_AT)).then(t, [expire('a')]);
  held.when(timerDue(semaphore, 'a', EXPIRES_AT - 1)).then(t, []);
  given([created, hold('a'), { type: 'PermitRenewed', data: { holder: 'a', expires_at: EXPIRES_AT + 1 } }])
    .when(timerDue(semaphore, 'a', EXPIRES_AT))
    .then(t, []);
  given([created, hold('a'), { type: 'PermitReleased', data: { holder: 'a' } }])
    .when(timerDue(semaphore, 'a', EXPIRES_AT))
    .then(t, []);
});
