import t from 'tap';
import { estimateSecondsLeft } from '../../src/log-receiver/eta.js';

t.test('the median of earlier plots counts, not their mean', async (t) => {
  t.equal(estimateSecondsLeft(25, 100, [1_000, 2_000, 90_000]), 1_500);
  t.equal(estimateSecondsLeft(50, 100, [4_000, 1_000]), 1_250);
  t.equal(estimateSecondsLeft(0, 0, [3_600]), 3_600);
});

t.test('totals that are none are left out', async (t) => {
  t.equal(estimateSecondsLeft(50, 0, [0, -5, Number.NaN, Number.POSITIVE_INFINITY, 800]), 400);
});

t.test('without earlier plots this one says how fast it is', async (t) => {
  t.equal(estimateSecondsLeft(25, 300, []), 900);
  t.equal(estimateSecondsLeft(25, 300, [0]), 900);
});

t.test('nothing is said when nothing is known', async (t) => {
  t.equal(estimateSecondsLeft(0, 300, []), undefined);
  t.equal(estimateSecondsLeft(10, 0, []), undefined);
  t.equal(estimateSecondsLeft(10, Number.NaN, []), undefined);
  t.equal(estimateSecondsLeft(Number.NaN, 300, [800]), undefined);
  t.equal(estimateSecondsLeft(-1, 300, [800]), undefined);
});

t.test('a finished plot takes no more time', async (t) => {
  t.equal(estimateSecondsLeft(100, 300, [800]), 0);
  t.equal(estimateSecondsLeft(100, 300, []), 0);
});
