/** `given().when().then()` itself: what it compares, and that an example which cannot be is told and not passed. */

import t from 'tap';
import { assign, setup } from 'xstate';
import { OwlError } from '../../src/base/errors.js';
import type { ActorType } from '../../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../src/runtime/event-store/event-schema.js';
import { type Asserts, happens, specificationOf, timerDue } from './given.js';

const events = {
  Opened: { version: 1, fields: { by: 'text' } },
  /** Version 1 had the amount as text. */
  Paid: {
    version: 2,
    fields: { amount: 'integer', note: 'text?' },
    upcasts: { 1: (data) => ({ amount: Number(data['amount']) }) },
  },
} as const satisfies EventSchemas;
type Event = EventsOf<typeof events>;

const machine = setup({ types: {} as { context: { sum: number }; events: Event } }).createMachine({
  id: 'till',
  context: { sum: 0 },
  initial: 'closed',
  states: {
    closed: { on: { Opened: 'open' } },
    open: {
      on: { Paid: { actions: assign(({ context, event }) => ({ sum: context.sum + event.data.amount })) } },
    },
  },
});
const till: ActorType<typeof machine> = { category: 'till', version: 1, machine, events };

const given = specificationOf(till);
const opened: Event = { type: 'Opened', data: { by: 'ann' } };
const paid = (amount: number): Event => ({ type: 'Paid', data: { amount } });

/** What `then` found and wanted, instead of passing or failing. */
function recorder() {
  const calls: { how: string; found: unknown; wanted: unknown; message: string }[] = [];
  const note = (how: string) => (found: unknown, wanted: unknown, message: string) =>
    calls.push({ how, found, wanted, message }) > 0;
  const asserts: Asserts = { strictSame: note('strictSame'), match: note('match') };
  return { asserts, calls };
}

t.test('it compares events strictly and the state as far as it is named', async (t) => {
  given([opened, paid(2)])
    .when(happens(paid(3)))
    .then(t, [paid(3)], { value: 'open', context: { sum: 5 } });
  given([opened, paid(2)]).leadsTo(t, { context: { sum: 2 } });
  const { asserts, calls } = recorder();
  given([opened])
    .when(happens(paid(3)))
    .then(asserts, [paid(4)], 'three', { value: 'closed' });
  t.strictSame(calls, [
    { how: 'strictSame', found: [paid(3)], wanted: [paid(4)], message: 'three' },
    {
      how: 'match',
      found: { value: 'open', context: { sum: 3 } },
      wanted: { value: 'closed' },
      message: 'three',
    },
  ]);
});

t.test('a refusal is compared by kind and sentence, and is never taken for events', async (t) => {
  const refuses = () => {
    throw new OwlError('refused', 'not today');
  };
  given([opened]).when(refuses).then(t, { kind: 'refused', message: 'not today' }, { value: 'open' });
  given([opened])
    .when(refuses)
    .then(t, { kind: 'refused', message: /today$/ });
  t.throws(() => given([opened]).when(refuses).events(), { kind: 'refused', message: 'not today' });
  const { asserts, calls } = recorder();
  given([opened]).when(refuses).then(asserts, []);
  t.match(calls, [{ found: { refused: 'refused', message: 'not today' }, wanted: [] }]);
});

t.test('what the machine or the schemas do not take is refused, and nothing of it happens', async (t) => {
  given([])
    .when(happens<Event>(opened, paid(1), opened))
    .then(t, { kind: 'refused', message: 'Opened is not possible in state open' }, { value: 'closed' });
  given([opened])
    .when(happens(paid(1.5)))
    .then(t, { kind: 'invalid', message: /^event till\/Paid .*amount/ }, { context: { sum: 0 } });
  given([opened])
    .when(happens({ type: 'Lost', data: {} }))
    .then(t, { kind: 'refused', message: /^Lost is not possible/ });
});

t.test('an older event is brought up as a stream brings it up', async (t) => {
  given([opened, { type: 'Paid', version: 1, data: { amount: '7' } }]).leadsTo(t, { context: { sum: 7 } });
});

t.test('an example that no stream could hold says which event it is', async (t) => {
  t.throws(() => given([opened, opened]), /number 1: Opened is not possible in state open/);
  t.throws(() => given([{ type: 'Opened', version: 1, data: {} }]), /by/);
  t.throws(() => given([{ type: 'Opened', version: 2, data: { by: 'ann' } }]), /newer than 1/);
});

t.test('a decision that is not pure is an error', async (t) => {
  let calls = 0;
  t.throws(() => given([opened]).when(() => [paid(calls++)]), /differently the second time/);
  const changing = ({ context }: { readonly context: object }) => {
    Object.assign(context, { sum: 9 });
    return [];
  };
  t.throws(() => given([opened, paid(1)]).when(changing), /changes the state/);
  t.throws(
    () => given([opened]).when(changing),
    /read only/,
    'where all of a kind begin nothing can be changed',
  );
  t.throws(
    () => given([opened]).when(() => JSON.parse('no json')),
    SyntaxError,
    'what nobody foresaw is no refusal',
  );
});

t.test('what reads differently than it was decided is an error', async (t) => {
  const last = setup({ types: {} as { context: { amount: number }; events: Event } }).createMachine({
    id: 'till',
    context: { amount: 1 },
    on: { Paid: { actions: assign(({ event }) => ({ amount: event.data.amount })) } },
  });
  const type: ActorType<typeof last> = { category: 'till', version: 1, machine: last, events };
  const givenLast = specificationOf(type);
  givenLast([])
    .when(happens(paid(0)))
    .then(t, [paid(0)], { context: { amount: 0 } });
  t.throws(() => givenLast([]).when(happens(paid(-0))), /lead elsewhere/, 'JSON knows no -0');
});

t.test('a state that a snapshot does not keep is an error', async (t) => {
  const forgets = setup({ types: {} as { context: { at: unknown }; events: Event } }).createMachine({
    id: 'till',
    context: { at: null },
    on: { Opened: { actions: assign(() => ({ at: new Date(0) })) } },
  });
  const type: ActorType<typeof forgets> = { category: 'till', version: 1, machine: forgets, events };
  t.throws(() => specificationOf(type)([opened]).leadsTo(t, {}), /a kept snapshot is not the state/);
  t.throws(() => specificationOf(type)([]).when(happens(opened)), /a kept snapshot is not the state/);
});

t.test('an actor type without timers has nothing due', async (t) => {
  given([opened])
    .when(timerDue(till, 'any', 0))
    .then(t, []);
});
