/** Directories looked at for real, and those that do not answer. */

import { join } from 'node:path';
import t from 'tap';
import { examineDirectory, lookAtDirectory } from '../../src/supervisor/file-systems.js';
import { ManualClock } from '../support/manual-clock.js';

t.test('a directory has a file system and free space', async (t) => {
  const directory = t.testdir({ a: {}, b: {} });
  const clock = new ManualClock();
  const a = await examineDirectory(lookAtDirectory, 'cache1', join(directory, 'a'), clock);
  const b = await examineDirectory(lookAtDirectory, 'cache1', join(directory, 'b'), clock);
  t.ok(a.free > 0);
  t.equal(a.fileSystem, b.fileSystem);
  t.not((await lookAtDirectory('/dev/shm')).fileSystem, a.fileSystem);
  t.equal(clock.pending, 0, 'nothing is waited for any more');
});

t.test('one that can not be used is named, with what is wrong', async (t) => {
  const directory = t.testdir({ file: '' });
  for (const [path, problem] of [
    [join(directory, 'nowhere'), 'does not exist on this machine'],
    [join(directory, 'file'), 'is no directory'],
    [join(directory, 'file', 'below'), 'is no directory'],
    ['/proc/self', /may not be written by the supervisor|can't be used/],
  ] as const) {
    const examined = examineDirectory(lookAtDirectory, 'dest', path, new ManualClock());
    const error: unknown = await examined.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    // Who may do everything may also write where nothing can be written.
    if (error === undefined) t.equal(process.getuid?.(), 0);
    else t.match(error, { kind: 'invalid', message: problem });
  }
});

t.test('one that does not answer is a reason to wait, and blocks nobody', async (t) => {
  const clock = new ManualClock();
  const examined = examineDirectory(() => new Promise(() => undefined), 'dest', '/farm/nfs', clock);
  clock.advance(5_000);
  await t.rejects(examined, {
    kind: 'unavailable',
    message: 'dest /farm/nfs does not answer; is its server away?',
  });
  const slow = examineDirectory(async () => ({ fileSystem: 1, free: 2 }), 'dest', '/farm/nfs', clock);
  t.same(await slow, { fileSystem: 1, free: 2 });
});
