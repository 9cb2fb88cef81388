/** How long ago the last plot was started, whatever becomes of the wall clock. */

import t from 'tap';
import type { PlotRecord } from '../../../../../src/systems/talent/machine/plot-record.js';
import { LastStart } from '../../../../../src/systems/talent/supervisor/starting/last-start.js';
import { ManualClock } from '../../../../support/manual-clock.js';

const HOUR_MS = 3_600_000;
const UP_MS = 24 * HOUR_MS;
const BOOT = 'this-boot';

function started(clock: ManualClock, given: { agoMs: number; bootId?: string; name?: string }): PlotRecord {
  const { agoMs, bootId = BOOT, name = 'a' } = given;
  return {
    task_id: name,
    attempt: 1,
    worker_id: 'w',
    log_path: `/data/logs/${name}.log`,
    format: 'chia',
    argv: [],
    started_time: (clock.now() - agoMs) / 1000,
    process: { pid: 7, boot_id: bootId, start_time: String(Math.floor((clock.sinceBoot() - agoMs) / 10)) },
    announced: true,
    stopping: false,
    suspended: false,
    ksize: 32,
    cache1: '/a',
    cache2: '/b',
    dest_path: '/c',
    plotter: 'p',
    temp: [],
    plot_id: null,
  };
}

t.test('the first plot of all waits for none', async (t) => {
  t.equal(new LastStart(new ManualClock(), BOOT).age([]), Number.POSITIVE_INFINITY);
});

t.test('a start of this supervisor is measured in running time', async (t) => {
  for (const step of [0, 5 * HOUR_MS, -5 * HOUR_MS]) {
    const clock = new ManualClock();
    const last = new LastStart(clock, BOOT);
    const record = started(clock, { agoMs: 0 });
    last.note(record);
    clock.step(step);
    t.equal(last.age([record]), 0);
    clock.advance(59_000);
    t.equal(last.age([record]), 59_000);
    t.equal(last.age([]), 59_000, 'also when its record is gone');
  }
});

t.test('a start of a supervisor before this one is measured from the boot on', async (t) => {
  for (const step of [0, 5 * HOUR_MS, -5 * HOUR_MS]) {
    const clock = new ManualClock(undefined, UP_MS);
    const records = [
      started(clock, { agoMs: 2 * HOUR_MS, name: 'older' }),
      started(clock, { agoMs: 40_000, name: 'newer' }),
    ];
    clock.step(step);
    const last = new LastStart(clock, BOOT);
    t.equal(last.age(records), 40_000);
    clock.advance(10_000);
    clock.step(-step);
    t.equal(last.age(records), 50_000);
  }
});

t.test('a start before the boot is as old as the boot at least', async (t) => {
  const clock = new ManualClock(undefined, 60_000);
  const record = started(clock, { agoMs: 2 * HOUR_MS, bootId: 'another' });
  t.equal(new LastStart(clock, BOOT).age([record]), 2 * HOUR_MS);
  clock.step(-5 * HOUR_MS);
  const last = new LastStart(clock, BOOT);
  t.equal(last.age([record]), 60_000, 'the clock was set back');
  clock.advance(1_000);
  t.equal(last.age([record]), 61_000);
});

t.test('where the time since boot is another, one stagger is the most that is waited', async (t) => {
  const clock = new ManualClock(undefined, 5_000);
  const record = {
    ...started(clock, { agoMs: 0 }),
    process: { pid: 7, boot_id: BOOT, start_time: '999999' },
  };
  clock.advance(30_000);
  t.equal(new LastStart(clock, BOOT).age([record]), 30_000, 'by the wall clock');
  clock.step(-5 * HOUR_MS);
  const last = new LastStart(clock, BOOT);
  t.equal(last.age([record]), 0);
  clock.advance(60_000);
  t.equal(last.age([record]), 60_000, 'counted once, not with every look');
});
