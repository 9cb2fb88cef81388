/** A file that the kernel writes anew for each reading. */

import { closeSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../src/base/clock.js';
import { KernelFile } from '../../src/base/kernel-file.js';

/** Numbers under which this process has it open. */
function openAs(path: string): number[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return readlinkSync(`/proc/self/fd/${number}`) === path ? Number(number) : [];
    } catch {
      // That of this very listing.
      return [];
    }
  });
}

t.test('it is opened once, and read as it is now', async (t) => {
  const path = join(t.testdir({ file: 'first' }), 'file');
  const file = new KernelFile(path);
  t.equal(file.read(), 'first');
  writeFileSync(path, '2nd');
  t.equal(file.read(), '2nd');
  t.equal(openAs(path).length, 1);
});

t.test('one that can not be read any more is opened anew', async (t) => {
  const path = join(t.testdir({ file: 'first' }), 'file');
  const file = new KernelFile(path);
  file.read();
  const [number = -1] = openAs(path);
  // Of a file system that has gone every reading fails; here of one that is open for writing alone.
  closeSync(number);
  t.equal(openSync(path, 'a'), number);
  t.equal(file.read(), 'first');
  t.equal(openAs(path).length, 1);
});

t.test('what is not there is an error each time, until it is', async (t) => {
  const path = join(t.testdir({}), 'file');
  const file = new KernelFile(path);
  for (let time = 0; time < 2; time++) t.throws(() => file.read(), { code: 'ENOENT' });
  writeFileSync(path, 'late');
  t.equal(file.read(), 'late');
});

t.test('time since boot goes on', async (t) => {
  const before = systemClock.sinceBoot();
  while (systemClock.sinceBoot() === before);
  t.ok(systemClock.sinceBoot() > before);
});
