/** The rules that metrics keep, and what a page does with groups that fail, hang or are asked for often. */

import t from 'tap';
import {
  assertMetrics,
  type Metric,
  type MetricGroup,
  metricGroup,
  one,
} from '../../../src/node/metrics/metric.js';
import { MetricsPage } from '../../../src/node/metrics/metrics-page.js';
import { Durations } from '../../../src/node/metrics/samples.js';
import { DurationsBy, Tally } from '../../../src/node/metrics/tally.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until } from '../../support/until.js';
import { numberOf, parseExposition } from './exposition.js';

type Head = Partial<Pick<Metric<number>, 'name' | 'help' | 'labels'>> & { type?: 'counter' | 'gauge' };

function groupOf(name: string, gather: () => number | Promise<number>, metric: Head = {}): MetricGroup {
  const head = { name: `owl_${name}`, help: 'Some', type: 'gauge', ...metric } as const;
  return metricGroup({ name, gather, metrics: [{ ...head, samples: (value) => one(value) }] });
}

t.test('a metric that breaks the rules of names is refused', async (t) => {
  const refused: readonly (readonly [Head, RegExp])[] = [
    [{ name: 'owl_Things' }, /snake_case/],
    [{ name: 'owl_things_' }, /snake_case/],
    [{ name: 'talent_things' }, /the name of who declares it/],
    [{ name: 'owl_things_total' }, /exactly when it is a counter/],
    [{ name: 'owl_things', type: 'counter' }, /exactly when it is a counter/],
    [{ name: 'owl_delay_ms' }, /base unit/],
    [{ name: 'owl_progress_percent' }, /base unit/],
    [{ name: 'owl_seconds_of_delay' }, /unit in the middle/],
    [{ help: '' }, /help/],
    [{ help: 'It ends.' }, /help/],
    [{ help: 'two\nlines' }, /help/],
    [{ labels: ['le'] }, /label/],
    [{ labels: ['Task'] }, /label/],
  ];
  for (const [head, rule] of refused)
    t.throws(() => assertMetrics([groupOf('one', () => 1, head)], (name) => name.startsWith('owl_')), rule);
  t.throws(
    () => assertMetrics([groupOf('one', () => 1), groupOf('one', () => 1)], () => true),
    /declared twice/,
  );
  const well = groupOf('cpu', () => 1, { name: 'owl_cpu_seconds_total', type: 'counter', labels: ['node'] });
  t.doesNotThrow(() => assertMetrics([well], () => true));
});

t.test('a tally is bounded, and counts everything', async (t) => {
  const tally = new Tally([['known']]);
  for (let at = 0; at < 10_000; at++) tally.add(`caller-${at}`, 'x');
  const samples = tally.samples(['who', 'what']);
  t.ok(samples.length <= 502, `${samples.length}`);
  t.equal(
    samples.reduce((sum, { value }) => sum + value, 0),
    10_000,
  );
  t.ok(samples.some(({ labels, value }) => labels?.['who'] === 'other' && value > 9_000));
  const times = new DurationsBy();
  for (let at = 0; at < 2_000; at++) times.observe(`loop-${at}`, '', 1);
  t.ok(times.samples(['loop']).length <= 501);
});

t.test('durations fall into the bucket of the first bound that holds them', async (t) => {
  const durations = new Durations([0.1, 1]);
  for (const tookMs of [0, 100, 101, 1000, 1001, 60_000]) durations.observe(tookMs);
  t.same([...durations.counts], [2, 2, 2]);
  t.equal(durations.count, 6);
  t.equal(durations.sum, 62.202);
});

t.test('who reads within a second shares what was gathered', async (t) => {
  const clock = new ManualClock();
  let gathered = 0;
  const groups = [groupOf('things', () => ++gathered)];
  const page = new MetricsPage({ groups, clock, logger: logLines().logger });
  await Promise.all([page.read(), page.read(), page.read()]);
  await page.read();
  t.equal(gathered, 1);
  clock.advance(1_000);
  t.equal(numberOf(parseExposition((await page.read()).text), 'owl_things'), 2);
});

t.test('what fails or hangs is left out, told once and counted; the others are there', async (t) => {
  const clock = new ManualClock();
  const { logger, messages } = logLines();
  let asked = 0;
  const hanging = groupOf('hanging', () => {
    asked += 1;
    return new Promise<number>(() => undefined);
  });
  const failing = groupOf('failing', () => {
    throw new Error('no such table');
  });
  const page = new MetricsPage({ groups: [hanging, failing, groupOf('well', () => 7)], clock, logger });
  for (const scrape of [1, 2]) {
    let isRead = false;
    const reading = page.read().finally(() => {
      isRead = true;
    });
    await until('it has given up on what hangs', () => {
      clock.advance(1_000);
      return isRead;
    });
    const told = parseExposition((await reading).text);
    t.equal(numberOf(told, 'owl_well'), 7);
    t.notOk(told.has('owl_failing'));
    t.notOk(told.has('owl_hanging'));
    for (const group of ['hanging', 'failing'])
      t.equal(numberOf(told, 'owl_metrics_failures_total', { group }), scrape);
    t.equal(numberOf(told, 'owl_metrics_failures_total', { group: 'well' }), 0);
    clock.advance(1_000);
  }
  t.equal(asked, 1, 'it is not asked again while it hangs');
  t.equal(messages('error').length, 3, 'of the hanging one there are two reasons');
});
