/** The feed of changed rows: what a follower hears, and that none is kept who has gone. */

import t from 'tap';
import { ChangeFeed } from '../../../src/node/serving/change-feed.js';
import { idOf, type RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { collect, propose } from '../../support/events.js';

function changes(...taskIds: string[]): RecordedEvent[] {
  return taskIds.map((id) => ({ ...propose(), stream: `plot_task-${id}`, revision: 0, position: '0' }));
}

t.test('a follower hears of each changed row, once however often it changed meanwhile', async (t) => {
  const feed = new ChangeFeed(({ stream }) => idOf(stream));
  const leaving = new AbortController();
  feed.publish(changes('before'));
  const following = feed.follow(leaving.signal)[Symbol.asyncIterator]();
  feed.publish(changes('a', 'b', 'a'));
  feed.publish(changes('a-b'));
  t.same(await following.next(), { done: false, value: ['a', 'b', 'a-b'] });
  const next = following.next();
  feed.publish(changes('b'));
  t.same(await next, { done: false, value: ['b'] });
  const last = following.next();
  leaving.abort();
  t.same(await last, { done: true, value: undefined });
});

t.test('followers end when they leave, when the feed closes, and when they come too late', async (t) => {
  const feed = new ChangeFeed(({ stream }) => idOf(stream));
  const gone = AbortSignal.abort();
  t.same(await collect(feed.follow(gone)), []);
  const staying = new AbortController().signal;
  const following = collect(feed.follow(staying));
  feed.close();
  t.same(await following, []);
  t.same(await collect(feed.follow(staying)), []);
});

t.test('nothing is kept for followers who have gone', async (t) => {
  const feed = new ChangeFeed(({ stream }) => idOf(stream));
  const leaving = new AbortController();
  feed.follow(leaving.signal);
  feed.follow(AbortSignal.abort());
  leaving.abort();
  // With nobody to tell, the events are not even looked at.
  const untouchable = new Proxy(changes('a'), {
    get: () => {
      throw new Error('the events were read');
    },
  });
  t.doesNotThrow(() => feed.publish(untouchable));
});

t.test(
  'who follows what concerns him hears of nothing else, and is asked for only while somebody does',
  async (t) => {
    const asked: string[] = [];
    const feed = new ChangeFeed(
      ({ stream }) => idOf(stream),
      (id) => {
        asked.push(id);
        return id[0];
      },
    );
    feed.publish(changes('a1'));
    t.same(asked, []);
    const leaving = new AbortController();
    const [a, b] = ['a', 'b'].map((whom) => feed.follow(leaving.signal, whom)[Symbol.asyncIterator]());
    let woken = 0;
    const first = b?.next().then((result) => {
      woken += 1;
      return result;
    });
    feed.publish(changes('a1', 'c1', 'a2'));
    t.same(asked, ['a1', 'c1', 'a2'], 'once each, however many follow');
    t.same(await a?.next(), { done: false, value: ['a1', 'a2'] });
    t.equal(woken, 0, 'nobody else is woken');
    feed.publish(changes('b1'));
    t.same(await first, { done: false, value: ['b1'] });
    leaving.abort();
    asked.length = 0;
    feed.publish(changes('a1'));
    t.same(asked, []);
  },
);

t.test('with too many who follow everything the next one is refused', async (t) => {
  const feed = new ChangeFeed(({ stream }) => idOf(stream), undefined, 1);
  const leaving = new AbortController();
  feed.follow(leaving.signal);
  t.throws(() => feed.follow(new AbortController().signal), {
    kind: 'retryable',
    message: /^1 streams follow/,
  });
  feed.follow(new AbortController().signal, 'a');
  leaving.abort();
  feed.follow(new AbortController().signal);
});
