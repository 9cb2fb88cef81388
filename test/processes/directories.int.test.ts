/** Directories looked at for real, and those that do not answer. */

import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, symlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Directories, type LookAtDirectory, lookAtDirectory } from '../../src/processes/directories.js';
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
