/** What a semaphore grants, without a store: the example of how decisions, timers and refusals of an actor type are tested. */

import t from 'tap';
import { happens, specificationOf, timerDue } from '../../support/given.js';
import { acquire, create, release, renew, type SemaphoreEvent, semaphore } from '../../support/semaphore.js';

const given = specificationOf(semaphore);
const EXPIRES_AT = 1_700_000_600_000;

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
    .then(t, [hold('a')], { context: { holders: { a: EXPIRES_AT } } });
  given([created, hold('a')])
    .when(acquire('b', EXPIRES_AT))
    .then(t, [wait('b')], { context: { holders: { a: EXPIRES_AT }, waiting: ['b'] } });
  given([created, hold('a'), expire('a'), wait('b')])
    .when(acquire('c', EXPIRES_AT))
    .then(t, [wait('c')], 'nobody goes past one who waits');
  given([created, hold('a'), wait('b')])
    .when(acquire('a', EXPIRES_AT))
    .then(t, []);
  given([created, hold('a'), wait('b')])
    .when(acquire('b', EXPIRES_AT))
    .then(t, []);
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
    .then(t, [released], { context: { holders: {} } });
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
