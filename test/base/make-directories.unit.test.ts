/** Directories with those above them, as far as they can be made. */

import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeDirectories, makeDirectoriesNow } from '../../src/base/make-directories.js';

/** Both ways to make them. */
const WAYS: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  'at once': async (path) => makeDirectoriesNow(path),
  'without waiting': makeDirectories,
};

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** For each way, in a directory of its own. */
function eachWay(
  name: string,
  test: (t: Test, make: (path: string) => Promise<unknown>, dir: string) => Promise<void>,
) {
  for (const [way, make] of Object.entries(WAYS))
    t.test(`${name}, ${way}`, async (t) => test(t, make, t.testdir({})));
}

eachWay('those that are missing are made, and what is there is left', async (t, make, dir) => {
  await make(join(dir, 'a/b/c'));
  await make(join(dir, 'a/b/c'));
  t.ok(isDirectory(join(dir, 'a/b/c')));
  symlinkSync(join(dir, 'a'), join(dir, 'link'));
  await make(join(dir, 'link/d'));
  t.ok(isDirectory(join(dir, 'a/d')), 'also behind a link');
  await Promise.all([make(join(dir, 'x/y/1')), make(join(dir, 'x/y/2')), make(join(dir, 'x/y/1'))]);
  t.ok(isDirectory(join(dir, 'x/y/1')) && isDirectory(join(dir, 'x/y/2')), 'side by side');
});

eachWay('a file in the way is told', async (t, make, dir) => {
  writeFileSync(join(dir, 'file'), '');
  await t.rejects(make(join(dir, 'file')), { code: 'EEXIST' });
  await t.rejects(make(join(dir, 'file/a/b')), { code: /EEXIST|ENOTDIR/ });
  symlinkSync(join(dir, 'nowhere'), join(dir, 'dangling'));
  await t.rejects(make(join(dir, 'dangling/a')), { code: /EEXIST|ENOENT/ });
});

/** The system says of them that there is no such directory, though the one above is there. */
eachWay('where none can be made it ends', async (t, make) => {
  await t.rejects(make('/proc/nowhere'), { code: 'ENOENT' });
  await t.rejects(make('/proc/nowhere/a/b'), { code: 'ENOENT' });
});

t.test('those that were missing are told, the lowest first', async (t) => {
  const dir = t.testdir({});
  t.same(await makeDirectories(join(dir, 'a/b')), [join(dir, 'a/b'), join(dir, 'a')]);
  t.same(await makeDirectories(join(dir, 'a/b')), []);
});
