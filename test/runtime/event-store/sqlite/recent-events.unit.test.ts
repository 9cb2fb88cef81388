import t from 'tap';
import type { RecordedEvent } from '../../../../src/runtime/event-store/event-store.js';
import { formatPosition } from '../../../../src/runtime/event-store/sqlite/positions.js';
import { RecentEvents } from '../../../../src/runtime/event-store/sqlite/recent-events.js';
import { propose, valuesOf } from '../../../support/events.js';

function eventAt(position: number): RecordedEvent {
  return {
    ...propose({ n: position }),
    stream: 's-1',
    revision: position - 1,
    position: formatPosition(position),
  };
}

function filled(bounds: { events: number; size: number }, positions: readonly number[]): RecentEvents {
  const recent = new RecentEvents(bounds);
  for (const position of positions) recent.add(position, eventAt(position), 10);
  return recent;
}

const all = () => true;

t.test('empty, it covers nothing', async (t) => {
  const recent = filled({ events: 4, size: 1000 }, []);
  t.equal(recent.covers(0), false);
});

t.test('gives what comes after a position, up to the limit', async (t) => {
  const recent = filled({ events: 8, size: 1000 }, [1, 2, 3, 4, 5]);
  t.strictSame(valuesOf(recent.after(0, 100, all).events), [1, 2, 3, 4, 5]);
  const { events, upTo } = recent.after(2, 2, all);
  t.strictSame(valuesOf(events), [3, 4]);
  t.equal(upTo, 4);
  t.equal(recent.covers(4), true);
  t.equal(recent.covers(5), false, 'nothing is newer');
});

t.test('a filter moves on past what does not match', async (t) => {
  const recent = filled({ events: 8, size: 1000 }, [1, 2, 3, 4, 5]);
  const none = recent.after(1, 100, () => false);
  t.strictSame(none.events, []);
  t.equal(none.upTo, 5);
  const even = recent.after(0, 1, ({ revision }) => revision % 2 === 1);
  t.strictSame(valuesOf(even.events), [2]);
  t.equal(even.upTo, 2);
});

t.test('bounded by count: the oldest go', async (t) => {
  const recent = filled({ events: 3, size: 1000 }, [1, 2, 3, 4, 5, 6, 7]);
  t.equal(recent.covers(3), false);
  t.equal(recent.covers(4), true);
  t.strictSame(valuesOf(recent.after(4, 100, all).events), [5, 6, 7]);
});

t.test('bounded by size: the oldest go, even all of them', async (t) => {
  const recent = filled({ events: 100, size: 35 }, [1, 2, 3, 4, 5]);
  t.equal(recent.covers(1), false);
  t.strictSame(valuesOf(recent.after(2, 100, all).events), [3, 4, 5]);
  recent.add(6, eventAt(6), 1000);
  t.equal(recent.covers(5), false, 'what is too large by itself is not kept');
  recent.add(7, eventAt(7), 10);
  t.equal(recent.covers(5), false);
  t.strictSame(valuesOf(recent.after(6, 100, all).events), [7]);
});

t.test('a hole in the positions empties it', async (t) => {
  const recent = filled({ events: 8, size: 1000 }, [1, 2, 3, 6, 7]);
  t.equal(recent.covers(2), false);
  t.equal(recent.covers(4), false);
  t.equal(recent.covers(5), true);
  t.strictSame(valuesOf(recent.after(5, 100, all).events), [6, 7]);
});
