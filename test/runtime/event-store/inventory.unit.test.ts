/** Inventories: what counts as the same history. */

import t from 'tap';
import type { RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { Inventory } from '../../../src/runtime/event-store/inventory.js';
import { ofKind, propose } from '../../support/events.js';

function record(stream: string, revision: number, change: Partial<RecordedEvent> = {}): RecordedEvent {
  return {
    ...propose({ n: revision }, { id: `00000000-0000-4000-8000-${String(revision).padStart(12, '0')}` }),
    stream,
    revision,
    position: '',
    ...change,
  };
}

function inventoryOf(...events: readonly RecordedEvent[]): Inventory {
  const inventory = new Inventory();
  for (const event of events) inventory.add(event);
  return inventory;
}

t.test('positions, the order among streams and the order of fields do not count', (t) => {
  const [a, b] = [record('a-1', 0, { data: { x: 1, y: { p: 1, q: [1, 2] } } }), record('b-1', 0)];
  const one = inventoryOf(a, b, record('a-1', 1));
  const reordered = { ...a, position: '7', data: { y: { q: [1, 2], p: 1 }, x: 1 } };
  const other = inventoryOf(b, reordered, record('a-1', 1));
  t.equal(one.differenceFrom(other), undefined);
  t.equal(one.digest(), other.digest());
  t.match(one, { events: 3, streams: 2 });
  t.end();
});

t.test('the order within a stream, and of what is in a list, counts', (t) => {
  const [first, second] = [record('a-1', 0, { data: { list: [1, 2] } }), record('a-1', 1)];
  const one = inventoryOf(first, second);
  const swapped = inventoryOf({ ...second, revision: 0 }, { ...first, revision: 1 });
  const turned = inventoryOf({ ...first, data: { list: [2, 1] } }, second);
  for (const other of [swapped, turned]) {
    t.equal(one.differenceFrom(other), 'a-1');
    t.not(one.digest(), other.digest());
  }
  t.end();
});

t.test('a stream that one of them lacks is a difference, whichever it is', (t) => {
  const [less, more] = [inventoryOf(record('a-1', 0)), inventoryOf(record('a-1', 0), record('b-1', 0))];
  t.equal(less.differenceFrom(more), 'b-1');
  t.equal(more.differenceFrom(less), 'b-1');
  t.equal(more.streamBeyond(less), 'b-1');
  t.equal(less.streamBeyond(more), undefined);
  t.end();
});

t.test('the entry of a beginning is known on the way', (t) => {
  const beginning = inventoryOf(record('a-1', 0)).of('a-1');
  const whole = new Inventory();
  t.strictSame(whole.add(record('a-1', 0)), beginning);
  whole.add(record('a-1', 1));
  t.throws(() => whole.add(record('a-1', 3)), { ...ofKind('refused'), message: /revision 2 should be/ });
  t.end();
});
