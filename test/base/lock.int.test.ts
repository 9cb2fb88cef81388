/** A lock whose file is deleted, replaced, taken by another or out of reach, as its holder finds it. */

import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { OwlError } from '../../src/base/errors.js';
import { FileLock, guardLock } from '../../src/base/lock.js';
import { ofKind } from '../support/events.js';
import { logLines } from '../support/log-lines.js';
import { ManualClock } from '../support/manual-clock.js';
import { until } from '../support/until.js';

function take(path: string): FileLock {
  const lock = FileLock.take(path);
  if (lock === undefined) throw new Error('another has it');
  return lock;
}

function guarded(t: Test) {
  const path = join(t.testdir({ data: {} }), 'data', 'one.lock');
  const lock = take(path);
  const clock = new ManualClock();
  const { logger, messages } = logLines();
  const ending = new AbortController();
  const taken: OwlError[] = [];
  let anew = 0;
  const guarding = guardLock(lock, {
    ...{ clock, logger, signal: ending.signal },
    onTaken: (error) => taken.push(error),
    onTakenAnew: () => {
      anew += 1;
    },
  });
  t.teardown(async () => {
    ending.abort();
    await guarding;
    lock.release();
  });
  const look = async (): Promise<void> => {
    await until('it waits', () => clock.pending === 1);
    clock.advance(1_000);
    await until('it has looked', () => clock.pending === 1);
  };
  return { path, lock, look, taken, anew: () => anew, warnings: () => messages('warn') };
}

t.test('one has it until it is given back', async (t) => {
  const path = join(t.testdir(), 'one.lock');
  const lock = take(path);
  t.equal(FileLock.take(path), undefined);
  await lock.assertInPlace();
  lock.release();
  lock.release();
  take(path).release();
});

t.test('where nothing is wrong nothing is done', async (t) => {
  const { look, taken, anew, warnings } = guarded(t);
  await look();
  await look();
  t.same([taken, anew(), warnings()], [[], 0, []]);
});

for (const how of ['deleted', 'replaced'] as const) {
  t.test(`a lock whose file was ${how} keeps nobody out, and is taken anew`, async (t) => {
    const { path, lock, look, taken, anew } = guarded(t);
    await look();
    rmSync(path);
    if (how === 'replaced') writeFileSync(path, '');
    await t.rejects(lock.assertInPlace(), {
      ...ofKind('refused'),
      message: `${path} was deleted or replaced`,
    });
    t.notOk(lock.isInPlaceNow());
    await look();
    t.same([taken, anew()], [[], 1]);
    t.equal(FileLock.take(path), undefined, 'now it keeps others out again');
    t.ok(lock.isInPlaceNow());
  });
}

t.test('where another was faster that is told once, and it is taken when that one is gone', async (t) => {
  const { path, look, taken, anew } = guarded(t);
  await look();
  rmSync(path);
  const other = take(path);
  await look();
  await look();
  t.match(taken, [{ kind: 'refused', message: `${path} was deleted or replaced` }]);
  t.equal(anew(), 0);
  await other.assertInPlace();
  other.release();
  await look();
  t.equal(anew(), 1);
});

t.test('while its directory is away it goes on, and says so once', async (t) => {
  const { path, lock, look, taken, warnings } = guarded(t);
  const data = join(path, '..');
  await look();
  renameSync(data, `${data}-away`);
  await look();
  await look();
  t.equal(warnings().length, 1);
  t.notOk(existsSync(data), 'and makes nothing in its place');
  renameSync(`${data}-away`, data);
  await look();
  await lock.assertInPlace();
  t.same(taken, []);
});
