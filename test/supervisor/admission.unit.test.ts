/** Given what waits and what runs, who starts and what the others are told. */

import t from 'tap';
import {
  type AdmissionState,
  admit,
  isTurn,
  type RunningPlot,
  type WaitingPlot,
} from '../../src/supervisor/admission.js';
import type { SpaceNeed } from '../../src/supervisor/space-needs.js';

const GIB = 2 ** 30;

function need(fileSystem: number, gib: number): SpaceNeed {
  return { place: 'cache1', fileSystem, bytes: gib * GIB };
}

function waiting(task_id: string, given: Partial<WaitingPlot> = {}): WaitingPlot {
  const needs = [need(1, 239)];
  return { task_id, attempt: 1, ksize: 32, cache1: '/a', cache2: '/b', dest_path: '/d', needs, ...given };
}

function running(given: Partial<RunningPlot> = {}): RunningPlot {
  return { cache1: '/a', cache2: '/b', needs: [], ...given };
}

function state(given: Partial<AdmissionState> = {}): AdmissionState {
  return {
    limits: { maxPlots: 9, maxPlotsPerCache: 9, staggerMs: 0 },
    draining: false,
    running: [],
    free: new Map([[1, 10_000 * GIB]]),
    now: 1_000_000,
    lastStart: undefined,
    ...given,
  };
}

/** The reasons' keys, `starts` for none, `turn` for what is next. */
function keys(plots: readonly WaitingPlot[], given: Partial<AdmissionState>): string[] {
  return admit(plots, state(given)).map(({ wait }) => {
    if (wait === undefined) return 'starts';
    return isTurn(wait) ? 'turn' : wait.key;
  });
}

t.test('one starts at a time, in order', async (t) => {
  t.same(keys([waiting('a'), waiting('b'), waiting('c')], {}), ['starts', 'turn', 'turn']);
  t.same(keys([], {}), []);
});

t.test('draining starts nothing', async (t) => {
  t.same(keys([waiting('a'), waiting('b')], { draining: true }), ['draining', 'draining']);
});

t.test('no more than the limit, in total and on a cache', async (t) => {
  const limits = { maxPlots: 2, maxPlotsPerCache: 1, staggerMs: 0 };
  t.same(keys([waiting('a')], { limits, running: [running(), running()] }), ['max_plots']);
  t.same(keys([waiting('a')], { limits, running: [running()] }), ['max_per_cache /a']);
  t.same(keys([waiting('a', { cache1: '/x' })], { limits, running: [running()] }), ['max_per_cache /b']);
  t.same(keys([waiting('a', { cache1: '/x', cache2: '/x' })], { limits, running: [running()] }), ['starts']);
  t.same(
    keys([waiting('a'), waiting('b', { cache1: '/x', cache2: '/x' })], { limits, running: [running()] }),
    ['max_per_cache /a', 'starts'],
    'what is full for one is no reason for another',
  );
});

t.test('a start waits for the stagger', async (t) => {
  const limits = { maxPlots: 9, maxPlotsPerCache: 9, staggerMs: 60_000 };
  t.same(keys([waiting('a')], { limits, lastStart: 1_000_000 - 59_999 }), ['stagger']);
  t.same(keys([waiting('a'), waiting('b')], { limits, lastStart: 1_000_000 - 60_000 }), [
    'starts',
    'stagger',
  ]);
  t.same(keys([waiting('a'), waiting('b')], { limits }), ['starts', 'stagger']);
});

t.test('exactly enough space is enough, a byte less is not', async (t) => {
  t.same(keys([waiting('a')], { free: new Map([[1, 239 * GIB]]) }), ['starts']);
  t.same(keys([waiting('a')], { free: new Map([[1, 239 * GIB - 1]]) }), ['space cache1 /a']);
  t.same(keys([waiting('a')], { free: new Map() }), ['space cache1 /a'], 'nothing known is nothing free');
});

t.test('what running plots will still use is taken off, on that file system only', async (t) => {
  const free = new Map([
    [1, 300 * GIB],
    [2, 300 * GIB],
  ]);
  const there = running({ needs: [need(1, 61), need(1, 1)] });
  t.same(keys([waiting('a')], { free, running: [there] }), ['space cache1 /a']);
  t.same(keys([waiting('a')], { free, running: [running({ needs: [need(1, 61)] })] }), ['starts']);
  t.same(keys([waiting('a')], { free, running: [running({ needs: [need(2, 300)] })] }), ['starts']);
});

t.test('who waits for space is not overtaken by those that need the same space', async (t) => {
  const free = new Map([
    [1, 100 * GIB],
    [2, 100 * GIB],
  ]);
  const small = waiting('small', { needs: [need(1, 1)] });
  const elsewhere = waiting('elsewhere', { needs: [need(2, 1)] });
  t.same(keys([waiting('big'), small, elsewhere], { free }), [
    'space cache1 /a',
    'behind big cache1',
    'starts',
  ]);
});

t.test('the sentences have the figures, the keys have not', async (t) => {
  const busy = running({ needs: [need(1, 100)] });
  const [first] = admit([waiting('a')], state({ free: new Map([[1, 200.5 * GIB]]), running: [busy] }));
  t.same(first?.wait, {
    key: 'space cache1 /a',
    sentence:
      'cache1 /a has 200.5 GiB free, of which running plots will still use 100.0 GiB; a k32 plot needs 239.0 GiB there',
  });
  const [second] = admit([waiting('a')], state({ free: new Map([[1, 2 ** 20]]) }));
  t.equal(second?.wait?.key, first?.wait?.key);
  t.equal(second?.wait?.sentence, 'cache1 /a has 1.0 MiB free; a k32 plot needs 239.0 GiB there');
});
