/** Watching rows: what is there, what changes, and that no change falls between the two. */

import t from 'tap';
import { ChangeFeed } from '../../../src/node/serving/change-feed.js';
import { type FilteredRows, rowNews, watchRows } from '../../../src/node/serving/watch.js';
import { idOf, type RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { collect, propose } from '../../support/events.js';

interface Row {
  readonly id: string;
  readonly state: string;
}

/** A read model of rows; whoever asks sees those that are held. */
class Rows implements FilteredRows<Row, string> {
  readonly feed = new ChangeFeed(({ stream }) => idOf(stream));
  private readonly rows = new Map<string, Row>();
  /** Before the first look. */
  readonly shown = async () => this.beforeLook();
  beforeLook: () => void = () => undefined;

  set(id: string, state: string): void {
    this.rows.set(id, { id, state });
    const event: RecordedEvent = { ...propose(), stream: `row-${id}`, revision: 0, position: '0' };
    this.feed.publish([event]);
  }

  readonly keyOf = ({ id }: Row) => id;
  readonly isMatch = ({ state }: Row) => state === 'held';
  readonly get = (id: string) => this.rows.get(id);
  readonly matching = () => [...this.rows.values()].filter(this.isMatch);
}

t.test('first what there is, then each change, and a row that ceases to match once', async (t) => {
  const rows = new Rows();
  rows.set('a', 'held');
  rows.set('b', 'waiting');
  const watch = watchRows(rows, new AbortController().signal);
  const next = async () => (await watch.next()).value;
  t.same(await next(), { kind: 'there', row: { id: 'a', state: 'held' } });
  t.same(await next(), { kind: 'all' });
  rows.set('b', 'held');
  t.same(await next(), { kind: 'changed', row: { id: 'b', state: 'held' } });
  rows.set('a', 'gone');
  t.same(await next(), { kind: 'gone', row: { id: 'a', state: 'gone' } });
  rows.set('a', 'gone');
  rows.set('c', 'waiting');
  rows.set('b', 'held');
  t.same(
    await next(),
    { kind: 'changed', row: { id: 'b', state: 'held' } },
    'those that never matched are not told',
  );
  rows.feed.close();
  t.equal(await next(), undefined);
});

t.test('what changes before the first look is there, and told again rather than never', async (t) => {
  const rows = new Rows();
  rows.beforeLook = () => rows.set('a', 'held');
  const leaving = new AbortController();
  const news: string[] = [];
  for await (const one of rowNews(rows, leaving.signal)) {
    news.push(one.kind);
    if (one.kind === 'changed') leaving.abort();
  }
  t.same(news, ['there', 'all', 'changed']);
});

t.test('a row that changed and is gone from the table is passed over', async (t) => {
  const rows = new Rows();
  const news = rowNews({ ...rows, get: () => undefined, feed: rows.feed }, AbortSignal.timeout(60_000));
  t.same((await news.next()).value, { kind: 'all' });
  rows.set('a', 'held');
  const rest = collect(news);
  rows.feed.close();
  t.same(await rest, []);
});
