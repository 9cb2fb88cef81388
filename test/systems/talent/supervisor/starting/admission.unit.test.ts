/** Given what waits and what runs, who starts and what the others are told. */

import t from 'tap';
import {
  type AdmissionState,
  admit,
  limitsFrom,
  maxPlotsReason,
  type SpaceWanted,
  type WaitingPlot,
} from '../../../../../src/systems/talent/supervisor/starting/admission.js';
import type {
  CacheDirectory,
  RunningPlot,
  SpaceUse,
} from '../../../../../src/systems/talent/supervisor/starting/claims.js';

const GIB = 2 ** 30;

/** On a file system with so much free. */
function want(fileSystem: number, gib: number, given: { free?: number; size?: number; stays?: number } = {}) {
  const { free = 10_000, size = 20_000, stays = 0 } = given;
  const wanted: SpaceWanted = {
    place: 'cache1',
    path: `/fs${fileSystem}`,
    fileSystem,
    bytes: gib * GIB,
    gain: -stays * GIB,
    free: free * GIB,
    size: size * GIB,
  };
  return wanted;
}

function use(fileSystem: number, gib: number, gain = 0): SpaceUse {
  return { fileSystem, bytes: gib * GIB, gain: gain * GIB };
}

function caches(...paths: string[]): CacheDirectory[] {
  return paths.map((path) => ({ path, id: `id of ${path}` }));
}

function waiting(task_id: string, given: Partial<WaitingPlot> = {}): WaitingPlot {
  return { task_id, attempt: 1, ksize: 32, caches: caches('/a', '/b'), needs: [want(1, 239)], ...given };
}

function running(given: Partial<RunningPlot> = {}): RunningPlot {
  return { caches: caches('/a', '/b'), needs: [], ...given };
}

function state(given: Partial<AdmissionState> = {}): AdmissionState {
  return {
    limits: { maxPlots: 9, maxPlotsPerCache: 9, staggerMs: 0 },
    running: [],
    sinceLastStartMs: Number.POSITIVE_INFINITY,
    ...given,
  };
}

/** The reasons' keys, `starts` for none. */
function keys(plots: readonly WaitingPlot[], given: Partial<AdmissionState> = {}): string[] {
  return admit(plots, state(given)).map(({ wait }) => wait?.key ?? 'starts');
}

/** The sentence that the last of them is told. */
function told(plots: readonly WaitingPlot[], given: Partial<AdmissionState> = {}): string | undefined {
  return admit(plots, state(given)).at(-1)?.wait?.sentence;
}

t.test('all that have room start, and count as running for those after them', async (t) => {
  t.same(keys([waiting('a'), waiting('b'), waiting('c')]), ['starts', 'starts', 'starts']);
  const needs = [want(1, 239, { free: 500 })];
  t.same(keys([waiting('a', { needs }), waiting('b', { needs }), waiting('c', { needs })]), [
    'starts',
    'starts',
    'space cache1 /fs1',
  ]);
  t.same(keys([]), []);
});

t.test('no more than max_plots', async (t) => {
  const limits = { maxPlots: 2, maxPlotsPerCache: 9, staggerMs: 0 };
  t.same(keys([waiting('a'), waiting('b')], { limits, running: [running()] }), ['starts', 'max_plots']);
  t.equal(maxPlotsReason(2).key, 'max_plots', 'the same reason, whether it is found before or here');
  t.equal(maxPlotsReason(1).sentence, '1 plot runs on this machine, as many as max_plots allows');
  t.equal(maxPlotsReason(2).sentence, '2 plots run on this machine, as many as max_plots allows');
});

t.test('no more than max_per_cache on a cache, whatever it is called', async (t) => {
  const limits = { maxPlots: 9, maxPlotsPerCache: 1, staggerMs: 0 };
  const there = { limits, running: [running()] };
  const link: CacheDirectory = { path: '/link', id: 'id of /a' };
  t.same(keys([waiting('a')], there), ['max_per_cache /a']);
  t.same(keys([waiting('a', { caches: caches('/x', '/b') })], there), ['max_per_cache /b']);
  t.same(keys([waiting('a', { caches: [link] })], there), ['max_per_cache /link']);
  t.same(keys([waiting('a', { caches: caches('/x') })], there), ['starts']);
  t.same(
    keys([waiting('a'), waiting('b', { caches: caches('/x') })], there),
    ['max_per_cache /a', 'starts'],
    'what is full for one is no reason for another',
  );
  t.equal(
    told([waiting('a')], there),
    'max_per_cache is 1, and as many plots use /a or were ordered earlier',
  );
});

t.test('a cache that is still to be cleared has its plot, which is none that runs', async (t) => {
  const limits = { maxPlots: 1, maxPlotsPerCache: 1, staggerMs: 0 };
  const clearing = [{ caches: caches('/a'), needs: [] }];
  t.same(keys([waiting('a')], { limits, clearing }), ['max_per_cache /a']);
  t.same(keys([waiting('a', { caches: caches('/x') })], { limits, clearing }), ['starts']);
});

t.test('a start waits for the stagger', async (t) => {
  const limits = { maxPlots: 9, maxPlotsPerCache: 9, staggerMs: 60_000 };
  t.same(keys([waiting('a')], { limits, sinceLastStartMs: 59_999 }), ['stagger']);
  t.same(keys([waiting('a'), waiting('b')], { limits, sinceLastStartMs: 60_000 }), ['starts', 'stagger']);
  t.same(keys([waiting('a'), waiting('b')], { limits }), ['starts', 'stagger']);
});

t.test('who waits for the stagger only counts as running: the others hear what comes after it', async (t) => {
  const limits = { maxPlots: 1, maxPlotsPerCache: 9, staggerMs: 60_000 };
  const queue = [waiting('a'), waiting('b'), waiting('c')];
  t.same(keys(queue, { limits, sinceLastStartMs: 0 }), ['stagger', 'max_plots', 'max_plots']);
});

t.test('exactly enough space is enough, a byte less is not', async (t) => {
  const exactly = want(1, 239, { free: 239 });
  t.same(keys([waiting('a', { needs: [exactly] })]), ['starts']);
  t.same(keys([waiting('a', { needs: [{ ...exactly, free: exactly.free - 1 }] })]), ['space cache1 /fs1']);
});

t.test('what running plots will still use is taken off, on that file system only', async (t) => {
  const queue = [waiting('a', { needs: [want(1, 239, { free: 300 })] })];
  const beside = (...needs: SpaceUse[]) => keys(queue, { running: [running({ needs })] });
  t.same(beside(use(1, 61), use(1, 1)), ['space cache1 /fs1']);
  t.same(beside(use(1, 61)), ['starts']);
  t.same(beside(use(2, 300)), ['starts']);
});

t.test('what the first to wait for running plots needs is set aside, all of it', async (t) => {
  // A running plot on file system 1 will give back enough; on 2 there is room for one more.
  const full = { running: [running({ caches: [], needs: [use(1, 100, 200)] })] };
  const needs = [want(1, 239, { free: 200 }), want(2, 101, { free: 150, stays: 101 })];
  const small = waiting('small', { caches: [], needs: [want(1, 1, { free: 200 })] });
  const other = waiting('other', { caches: [], needs: [want(2, 101, { free: 150, stays: 101 })] });
  const little = waiting('little', { caches: [], needs: [want(2, 49, { free: 150 })] });
  t.same(keys([waiting('first', { needs }), small, little, other], full), [
    'space cache1 /fs1',
    'space cache1 /fs1',
    'starts',
    'space cache1 /fs2',
  ]);
  t.match(
    told([waiting('first', { needs }), other], full),
    /150\.0 GiB free, but tasks ordered earlier need 101\.0/,
  );
  const limits = { maxPlots: 9, maxPlotsPerCache: 1, staggerMs: 0 };
  const sameCache = waiting('same', { caches: caches('/b'), needs: [] });
  t.same(
    keys([waiting('first', { needs }), sameCache], { limits, ...full }),
    ['space cache1 /fs1', 'max_per_cache /b'],
    'its caches too',
  );
});

t.test('those behind the first keep nothing from others', async (t) => {
  const full = { running: [running({ caches: [], needs: [use(1, 100, 200)] })] };
  const queued = (id: string) =>
    waiting(id, {
      caches: [],
      needs: [want(1, 239, { free: 200 }), want(2, 101, { free: 250, stays: 101 })],
    });
  const elsewhere = waiting('elsewhere', {
    caches: [],
    needs: [want(3, 239), want(2, 101, { free: 250, stays: 101 })],
  });
  t.same(keys([queued('first'), queued('second'), queued('third'), elsewhere], full), [
    'space cache1 /fs1',
    'space cache1 /fs1',
    'space cache1 /fs1',
    'starts',
  ]);
});

t.test('who waits for files to be moved away keeps only that file system', async (t) => {
  const limits = { maxPlots: 9, maxPlotsPerCache: 1, staggerMs: 0 };
  // The running plot takes its place on 2 for good.
  const there = { limits, running: [running({ caches: [], needs: [use(2, 101, -101)] })] };
  const onFull = waiting('a', {
    needs: [want(1, 239, { free: 300 }), want(2, 101, { free: 150, stays: 101 })],
  });
  const onOther = waiting('b', { needs: [want(1, 239, { free: 300 }), want(3, 101)] });
  const smaller = waiting('c', { caches: [], needs: [want(2, 40, { free: 150 })] });
  t.same(keys([onFull, onOther, smaller], there), ['space cache1 /fs2', 'starts', 'space cache1 /fs2']);
});

t.test('who can never fit keeps nothing', async (t) => {
  const terabyte = { free: 900, size: 1000 };
  const k35 = waiting('k35', { ksize: 35, needs: [want(1, 2175, terabyte)] });
  const k32 = waiting('k32', { needs: [want(1, 239, terabyte)] });
  t.same(keys([k35, k32]), ['size cache1 /fs1', 'starts']);
  t.equal(told([k35]), 'cache1 /fs1 can hold 1000.0 GiB in all; a k35 plot needs 2175.0 GiB there');
});

t.test('a large plot starts in the end, however many small ones come after it', async (t) => {
  const limits = { maxPlots: 99, maxPlotsPerCache: 99, staggerMs: 0 };
  // 1000 GiB, of which the large one needs 900. Of ten small ones that run, one ends with every round.
  for (let runs = 10; runs >= 0; runs -= 1) {
    const free = { free: 1000 - runs * 90, size: 1000 };
    const small = waiting('small', { needs: [want(1, 90, free)] });
    const [large, after] = keys([waiting('large', { needs: [want(1, 900, free)] }), small], {
      limits,
      running: Array.from({ length: runs }, () => running({ needs: [use(1, 0, 90)] })),
    });
    t.equal(large, runs > 1 ? 'space cache1 /fs1' : 'starts', `${runs} run`);
    if (large !== 'starts') t.equal(after, 'space cache1 /fs1', 'nobody takes what becomes free');
  }
});

t.test('the sentences have the figures, the keys have not', async (t) => {
  const wanted = (free: number) => waiting('a', { needs: [want(1, 239, { free })] });
  const busy = running({ needs: [use(1, 100, 100)] });
  t.equal(
    told([wanted(200.5), wanted(200.5)], { running: [busy] }),
    'cache1 /fs1 has 200.5 GiB free, but running plots will still use 100.0 GiB and tasks ordered earlier need 239.0 GiB; a k32 plot needs 239.0 GiB there',
  );
  t.equal(
    told([wanted(200.5)], { running: [busy] }),
    'cache1 /fs1 has 200.5 GiB free, but running plots will still use 100.0 GiB; a k32 plot needs 239.0 GiB there',
  );
  t.equal(told([wanted(2 ** -10)]), 'cache1 /fs1 has 1.0 MiB free; a k32 plot needs 239.0 GiB there');
  t.same(keys([wanted(200.5)], { running: [busy] }), keys([wanted(2 ** -10)]));
});

t.test('a plotter whose plots would share temp files gets one a cache, whatever is configured', async (t) => {
  const config = { max_plots: 9, max_per_cache: 4, stagger_seconds: 1 };
  t.same(limitsFrom(config, {}), { maxPlots: 9, maxPlotsPerCache: 4, staggerMs: 1000 });
  t.equal(limitsFrom(config, { max_per_cache: 1 }).maxPlotsPerCache, 1);
  t.equal(limitsFrom(config, { max_per_cache: 8 }).maxPlotsPerCache, 4);
});
