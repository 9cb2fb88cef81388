/** What is kept up to a limit: the last ones, and never more than the limit. */

import t from 'tap';
import { KeptLately } from '../../src/base/kept-lately.js';

const keeping = (limit: number) =>
  new KeptLately<number, string>({ limit, weightOf: ({ length }) => length });

t.test('the last half of the limit is kept at least, and the limit at the most', async (t) => {
  const kept = keeping(100);
  for (let n = 0; n < 200; n++) {
    kept.set(n, 'ten letters'.slice(0, 10));
    const known = Array.from({ length: n + 1 }, (_, key) => key).filter((key) => kept.get(key) !== undefined);
    t.ok(known.length <= 11, 'the limit, and the one that was kept last');
    t.ok(n < 5 || known.length >= 5);
    t.equal(known.at(-1), n);
    t.same(
      known,
      Array.from({ length: known.length }, (_, i) => n + 1 - known.length + i),
      'the last ones',
    );
  }
});

t.test('what is set again or deleted weighs no more', async (t) => {
  const kept = keeping(10);
  for (let n = 0; n < 100; n++) kept.set(1, 'abcde');
  kept.set(2, '');
  t.equal(kept.get(1), 'abcde');
  for (let n = 0; n < 100; n++) {
    kept.set(3, 'abc');
    kept.delete(3);
    t.equal(kept.get(3), undefined);
  }
  t.equal(kept.get(1), 'abcde');
});

t.test('what is too large is kept until the next one', async (t) => {
  const kept = keeping(10);
  kept.set(1, 'much too large for it');
  t.ok(kept.get(1));
  kept.set(2, 'so is this one, by far');
  t.equal(kept.get(1), undefined);
});
