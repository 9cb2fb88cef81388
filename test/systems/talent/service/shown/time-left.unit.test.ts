import t from 'tap';
import { estimateSecondsLeft, medianOf } from '../../../../../src/systems/talent/service/shown/time-left.js';

t.test('the median of earlier plots counts, not their mean', async (t) => {
  t.equal(medianOf([1_000, 90_000, 2_000]), 2_000);
  t.equal(medianOf([4_000, 1_000]), 2_500);
  t.equal(medianOf([3_600]), 3_600);
});

t.test('what a plot usually takes tells what is left of this one', async (t) => {
  t.equal(estimateSecondsLeft(25, 100, 2_000), 1_500);
  t.equal(estimateSecondsLeft(0, 0, 3_600), 3_600);
});

t.test('without earlier plots this one says how fast it is', async (t) => {
  t.equal(estimateSecondsLeft(25, 300, undefined), 900);
});

t.test('nothing is said when nothing is known', async (t) => {
  t.equal(estimateSecondsLeft(0, 300, undefined), undefined);
  t.equal(estimateSecondsLeft(10, 0, undefined), undefined);
  t.equal(estimateSecondsLeft(10, -5, undefined), undefined);
  t.equal(estimateSecondsLeft(10, Number.NaN, undefined), undefined);
  t.equal(estimateSecondsLeft(Number.NaN, 300, 800), undefined);
  t.equal(estimateSecondsLeft(-1, 300, 800), undefined);
});

t.test('a finished plot takes no more time', async (t) => {
  t.equal(estimateSecondsLeft(100, 300, 800), 0);
  t.equal(estimateSecondsLeft(100, 300, undefined), 0);
});
