/** Directories looked at for real, and those that do not answer. */

import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, symlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import {
  Directories,
  type DirectoryState,
  type LookAtDirectory,
  lookAtDirectory,
} from '../../src/processes/directories.js';
import { ManualClock } from '../support/manual-clock.js';
import { until } from '../support/until.js';

function directoriesWith(look: LookAtDirectory = lookAtDirectory, clock = new ManualClock()): Directories {
  return new Directories({
    writer: 'the supervisor',
    lookAtDirectory: look,
    clock,
    signal: new AbortController().signal,
  });
}

function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

t.test('a directory has a file system, space, and one identity under all its names', async (t) => {
  const directory = t.testdir({ a: {}, b: {} });
  symlinkSync(join(directory, 'a'), join(directory, 'link'));
  const clock = new ManualClock();
  const directories = directoriesWith(lookAtDirectory, clock);
  const a = await directories.examine('cache1', join(directory, 'a'));
  const b = await directories.examine('cache1', join(directory, 'b'));
  t.ok(a.free > 0);
  t.ok(a.size >= a.free);
  t.equal(a.fileSystem, b.fileSystem);
  t.not(a.id, b.id);
  t.equal((await directories.examine('cache1', `${directory}/a/`)).id, a.id);
  t.equal((await directories.examine('cache1', join(directory, 'link'))).id, a.id);
  t.not((await lookAtDirectory('/dev/shm')).fileSystem, a.fileSystem);
  t.equal(clock.pending, 0, 'nothing is waited for any more');
});

t.test('one that can not be used is named, with what is wrong', async (t) => {
  const directory = t.testdir({ file: '' });
  for (const [path, problem] of [
    [join(directory, 'nowhere'), 'does not exist on this machine'],
    [join(directory, 'file'), 'is no directory'],
    [join(directory, 'file', 'below'), 'is no directory'],
    ['/proc/self', 'may not be written by the supervisor'],
  ] as const) {
    const error = await failure(directoriesWith().examine('dest', path));
    // Who may do everything may also write where nothing can be written.
    if (error === undefined) t.equal(process.getuid?.(), 0);
    else t.match(error, { kind: 'invalid', message: `dest ${path} ${problem}` });
  }
});

t.test('what may pass is a reason to wait', async (t) => {
  for (const code of ['ESTALE', 'EIO', 'ETIMEDOUT', 'ENOMEM']) {
    const broken = (): Promise<never> =>
      Promise.reject(Object.assign(new Error(`${code}: broken`), { code }));
    t.match(await failure(directoriesWith(broken).examine('dest', '/farm/nfs')), {
      kind: 'unavailable',
      message: `dest /farm/nfs can't be used now: ${code}: broken`,
    });
  }
});

t.test('each is looked at once a round, and what was seen last is remembered', async (t) => {
  let looks = 0;
  let isBroken = false;
  const directories = directoriesWith(async () => {
    looks += 1;
    if (isBroken) throw new Error('broken');
    return { id: '1:2', fileSystem: 1, free: looks, size: 9 };
  });
  await directories.examine('dest', '/a');
  t.equal((await directories.examine('cache1', '/a')).free, 1);
  directories.lookAnew();
  t.equal((await directories.examine('cache1', '/a')).free, 2);
  isBroken = true;
  directories.lookAnew();
  t.match(await directories.recall('/a'), { free: 2 });
  t.equal(await directories.recall('/b'), undefined);
  await t.rejects(directories.examine('cache1', '/a'), { message: "cache1 /a can't be used now: broken" });
  directories.lookAnew();
  directories.lookAnew();
  t.equal(await directories.recall('/a'), undefined, 'nobody asked for it meanwhile');
});

t.test('a path that leads to another file system than before is waited for', async (t) => {
  const MOUNTED = { id: '2:2', fileSystem: 2, free: 5, size: 9 };
  const BELOW = { id: '1:7', fileSystem: 1, free: 900, size: 900 };
  let found: DirectoryState | undefined = MOUNTED;
  const directories = directoriesWith(async () => {
    if (found === undefined) throw Object.assign(new Error('ENOENT: gone'), { code: 'ENOENT' });
    return found;
  });
  const look = async (now: DirectoryState | undefined) => {
    found = now;
    directories.lookAnew();
    const answer = directories.examine('dest', '/farm/1');
    return await answer.catch((error: unknown) => error);
  };
  t.same(await look(MOUNTED), MOUNTED);
  directories.lookAnew();
  const taken =
    /^dest \/farm\/1 is on another file system than when it was looked at before.*: its disk may have been taken out/;
  for (let again = 0; again < 2; again++)
    t.match(
      await look(BELOW),
      { kind: 'unavailable', message: taken },
      'also after a round that did not ask',
    );
  t.match(await look(undefined), { kind: 'unavailable', message: /^dest \/farm\/1 does not exist any more/ });
  t.same(await look(MOUNTED), MOUNTED, 'it is back');

  // Where it is known what is mounted, another disk in the same place is one that was changed for it.
  const mounted = { ...MOUNTED, mountPoint: '/farm/1' };
  t.same(await look(mounted), mounted);
  t.match(await look({ ...BELOW, mountPoint: '/' }), { message: /\(then \/farm\/1 was mounted\)/ });
  const changed = { ...mounted, fileSystem: 3 };
  t.same(await look(changed), changed);
});

t.test('a disk that is mounted over a directory that was there before is what was wanted', async (t) => {
  let found: DirectoryState = { id: '1:7', fileSystem: 1, free: 1, size: 9, mountPoint: '/' };
  const directories = directoriesWith(async () => found);
  await directories.examine('dest', '/farm/1');
  found = { ...found, fileSystem: 2, mountPoint: '/farm' };
  directories.lookAnew();
  t.same(await directories.examine('dest', '/farm/1'), found);
});

t.test('the real look says where a file system is mounted', async (t) => {
  t.equal((await lookAtDirectory('/dev/shm')).mountPoint, '/dev/shm');
  const directory = t.testdir({ a: { b: {} } });
  const { mountPoint = '?' } = await lookAtDirectory(join(directory, 'a', 'b'));
  t.ok(directory.startsWith(mountPoint), mountPoint);
});

t.test('what does not answer is a reason to wait, and blocks one thread and nobody else', async (t) => {
  const directory = t.testdir({ good: {} });
  const dead = join(directory, 'dead');
  execFileSync('mkfifo', [dead]);
  const clock = new ManualClock();
  let blocked = 0;
  const look: LookAtDirectory = async (path) => {
    if (!path.startsWith(dead)) return await lookAtDirectory(path);
    blocked += 1;
    // A thread waits in the system until somebody writes, as it does for a dead NFS server.
    await (await open(dead, 'r')).close();
    return await lookAtDirectory(directory);
  };
  const directories = directoriesWith(look, clock);
  const refusal = { kind: 'unavailable', message: `dest ${dead} does not answer; is its server away?` };
  const first = failure(directories.examine('dest', dead));
  await until('it is looked at', () => blocked === 1);
  clock.advance(5_000);
  t.match(await first, refusal);
  for (let round = 0; round < 8; round += 1) {
    directories.lookAnew();
    t.match(await failure(directories.examine('dest', dead)), refusal, 'at once');
    t.ok((await directories.examine('cache1', join(directory, 'good'))).free > 0);
  }
  t.equal(blocked, 1);

  const writer = openSync(dead, constants.O_RDWR);
  await until('it answers again', async () => {
    directories.lookAnew();
    return (await directories.recall(dead)) !== undefined;
  });
  closeSync(writer);
});

t.test('nothing else is asked of a file system that does not answer', async (t) => {
  const clock = new ManualClock();
  const looks: string[] = [];
  let isDead = false;
  const directories = directoriesWith((path) => {
    looks.push(path);
    if (isDead && path.startsWith('/nfs')) return new Promise(() => undefined);
    return Promise.resolve({ id: path, fileSystem: path.startsWith('/nfs') ? 1 : 2, free: 1, size: 1 });
  }, clock);
  for (const path of ['/nfs/a', '/nfs/b', '/ssd']) await directories.examine('dest', path);
  isDead = true;
  directories.lookAnew();
  looks.length = 0;
  const first = failure(directories.examine('dest', '/nfs/a'));
  clock.advance(5_000);
  t.match(await first, { kind: 'unavailable' });
  t.match(await failure(directories.examine('dest', '/nfs/b')), {
    message: /^dest \/nfs\/b does not answer/,
  });
  await directories.examine('dest', '/ssd');
  t.same(looks, ['/nfs/a', '/ssd']);
});

t.test('three that do not answer are enough: one thread is left for other work', async (t) => {
  const clock = new ManualClock();
  let looks = 0;
  const directories = directoriesWith(() => {
    looks += 1;
    return new Promise(() => undefined);
  }, clock);
  for (const path of ['/a', '/b', '/c']) {
    const asked = failure(directories.examine('dest', path));
    clock.advance(5_000);
    t.match(await asked, { kind: 'unavailable' });
  }
  t.match(await failure(directories.examine('dest', '/d')), {
    kind: 'unavailable',
    message: "dest /d can't be looked at while /a, /b, /c do not answer",
  });
  t.equal(looks, 3);
});

t.test('the end of the supervisor waits for no directory', async (t) => {
  const ending = new AbortController();
  const directories = new Directories({
    writer: 'the supervisor',
    lookAtDirectory: () => new Promise(() => undefined),
    clock: new ManualClock(),
    signal: ending.signal,
  });
  const asked = failure(directories.examine('dest', '/a'));
  ending.abort();
  t.match(await asked, { kind: 'unavailable' });
  t.match(await failure(directories.examine('dest', '/b')), { kind: 'unavailable' });
});
