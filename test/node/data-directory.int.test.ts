/** One process at a time has a data directory: tried with real processes that are really killed. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openDataDirectory } from '../../src/node/data-directory.js';
import { isUuid } from '../../src/runtime/event-store/ids.js';
import { badDisk } from '../support/bad-disk.js';
import { ofKind } from '../support/events.js';
import { ManualClock } from '../support/manual-clock.js';

const clock = new ManualClock(Date.UTC(2024, 4, 5));

async function startHolder(t: Test, path: string): Promise<{ child: ChildProcess; workerId: string }> {
  const program = fileURLToPath(new URL('./hold-data-directory.js', import.meta.url));
  const child = spawn(process.execPath, [program, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const workerId of createInterface(child.stdout)) return { child, workerId };
  throw new Error('the holder ended before it had the directory');
}

t.test('a new one is made for its owner only, with an id that stays', async (t) => {
  const path = join(t.testdir(), 'data');
  const first = openDataDirectory(path, clock);
  t.equal(first.path, path);
  t.equal(first.databasePath, join(path, 'owl.db'));
  t.ok(isUuid(first.workerId));
  t.equal(statSync(path).mode & 0o777, 0o700);
  t.equal(first.isKnown, false);
  t.notOk(existsSync(join(path, 'worker-id')), 'a start that is cut off here leaves no node behind');
  first.keepWorkerId();
  t.equal(statSync(join(path, 'worker-id')).mode & 0o777, 0o600);
  first.release();
  const second = openDataDirectory(path, clock);
  t.equal(second.workerId, first.workerId);
  t.equal(second.isKnown, true);
  second.release();
  second.release();
  t.strictSame(readdirSync(path).sort(), ['owl.lock', 'worker-id'], 'nothing else is left');
});

t.test('an existing empty directory is as good', async (t) => {
  const path = t.testdir();
  const directory = openDataDirectory(path, clock);
  directory.keepWorkerId();
  directory.release();
  t.ok(existsSync(join(path, 'worker-id')));
});

t.test('a second process is refused at once, with the pid of the first', async (t) => {
  const path = t.testdir();
  const { child } = await startHolder(t, path);
  const refusal = {
    ...ofKind('refused'),
    message: new RegExp(`${path} is in use by process ${child.pid}, since 20`),
  };
  t.throws(() => openDataDirectory(path, clock), refusal);
  t.throws(() => openDataDirectory(path, clock), refusal, 'having tried does not free it');
});

t.test('this process does not get it twice either, and asking does not take it away', async (t) => {
  const path = t.testdir();
  const mine = openDataDirectory(path, clock);
  const message = new RegExp(`process ${process.pid}, since 2024-05-05T00:00:00`);
  t.throws(() => openDataDirectory(path, clock), { ...ofKind('refused'), message });
  const program = fileURLToPath(new URL('./hold-data-directory.js', import.meta.url));
  const other = spawn(process.execPath, [program, path], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.teardown(() => other.kill('SIGKILL'));
  const errors: string[] = [];
  other.stderr.on('data', (chunk) => errors.push(String(chunk)));
  const [code] = await once(other, 'close');
  t.equal(code, 1);
  t.match(errors.join(''), new RegExp(`in use by process ${process.pid}`));
  mine.release();
});

t.test('kill -9 frees it, and the id is still the same', async (t) => {
  const path = t.testdir();
  const { child, workerId } = await startHolder(t, path);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  t.ok(existsSync(join(path, 'owl.pid')), 'the dead process left its pid behind');
  const mine = openDataDirectory(path, clock);
  t.equal(mine.workerId, workerId);
  t.match(JSON.parse(readFileSync(join(path, 'owl.pid'), 'utf8')), { pid: process.pid });
  mine.release();
});

t.test('releasing frees it for another process', async (t) => {
  const path = t.testdir();
  openDataDirectory(path, clock).release();
  const { child } = await startHolder(t, path);
  const exited = once(child, 'exit');
  child.stdin?.end();
  t.strictSame(await exited, [0, null]);
  openDataDirectory(path, clock).release();
});

t.test("a pid that is not the holder's is not named", async (t) => {
  const path = t.testdir();
  const mine = openDataDirectory(path, clock);
  t.teardown(() => mine.release());
  const unnamed = { ...ofKind('refused'), message: /in use by another process, whose pid is not known/ };
  const holder = JSON.parse(readFileSync(join(path, 'owl.pid'), 'utf8'));
  for (const stale of [{ ...holder, bootId: 'another boot' }, { ...holder, startTime: '1' }, {}, null]) {
    writeFileSync(join(path, 'owl.pid'), JSON.stringify(stale));
    t.throws(() => openDataDirectory(path, clock), unnamed);
  }
  writeFileSync(join(path, 'owl.pid'), '{"pid":');
  t.throws(() => openDataDirectory(path, clock), unnamed);
});

t.test('a malformed worker id is an error, not a new id', async (t) => {
  const path = t.testdir({ 'worker-id': 'node seven\n' });
  const invalid = { ...ofKind('invalid'), message: /worker-id holds no worker id/ };
  t.throws(() => openDataDirectory(path, clock), invalid);
  t.throws(() => openDataDirectory(path, clock), invalid, 'and the lock was given back');
  t.equal(readFileSync(join(path, 'worker-id'), 'utf8'), 'node seven\n');
});

t.test('places where it can not be say so', async (t) => {
  const dir = t.testdir({ file: 'x' });
  t.throws(() => openDataDirectory(join(dir, 'file'), clock), {
    ...ofKind('invalid'),
    message: /is no directory/,
  });
  t.throws(() => openDataDirectory(join(dir, 'file', 'data'), clock), {
    ...ofKind('invalid'),
    message: /can't be used/,
  });
  t.throws(() => openDataDirectory(join(dir, 'missing', 'data'), clock), {
    ...ofKind('invalid'),
    message: /parent does not exist/,
  });
});

t.test('a directory that may not be written', async (t) => {
  const path = join(t.testdir({ data: {} }), 'data');
  chmodSync(path, 0o500);
  asOrdinaryUser(() => {
    t.throws(() => openDataDirectory(path, clock), {
      ...ofKind('invalid'),
      message: /can't be used: .*; it must be readable and writable/,
    });
  });
});

/** Root may write everywhere. */
function asOrdinaryUser(work: () => void): void {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

t.test('a lock whose file was deleted or replaced keeps nobody out, and its holder finds out', async (t) => {
  const path = t.testdir();
  const mine = openDataDirectory(path, clock);
  await mine.assertInPlace();
  rmSync(join(path, 'owl.lock'));
  const message = /owl\.lock was deleted or replaced, so that another process may have taken its directory/;
  await t.rejects(mine.assertInPlace(), { ...ofKind('refused'), message });
  const { child } = await startHolder(t, path);
  await t.rejects(mine.assertInPlace(), { ...ofKind('refused'), message });
  mine.release();
  t.match(
    JSON.parse(readFileSync(join(path, 'owl.pid'), 'utf8')),
    { pid: child.pid },
    "the other's pid stays",
  );
});

t.test(
  'a directory that was made reaches the disk, also when the start that made it was cut off',
  async (t) => {
    const parent = t.testdir();
    const isSynced = () => badDisk.synced.has(statSync(parent).ino);
    badDisk.synced.clear();
    openDataDirectory(join(parent, 'data'), clock).release();
    t.ok(isSynced());
    badDisk.synced.clear();
    openDataDirectory(join(parent, 'data'), clock).release();
    t.ok(isSynced());
  },
);
