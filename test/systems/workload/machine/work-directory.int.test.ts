/** Working directories: each attempt has an empty one, whatever the one before has made of its own. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { finishWork, WorkDirectories } from '../../../../src/systems/workload/machine/work-directory.js';
import { testDirectory } from '../../../support/test-directory.js';

function prepare(t: Test) {
  const root = testDirectory(t, { works: {}, elsewhere: { kept: '' } });
  const folder = join(root, 'works');
  const works = new WorkDirectories(folder, 1);
  const pathOf = (job: string): string => join(folder, `${job}.1`);
  return { folder, works, pathOf, elsewhere: join(root, 'elsewhere') };
}

/** What is below it, with the rights of each folder. */
function contentOf(work: string): string[] {
  const names = readdirSync(work, { recursive: true }).map(String).sort();
  return ['.', ...names].map((name) => `${name} ${(statSync(join(work, name)).mode & 0o777).toString(8)}`);
}

const EMPTY = ['. 700', 'in 700', 'out 700', 'tmp 700'];

t.test('one that is done with is emptied and had by the next, whose it is alone', async (t) => {
  const { works, pathOf, folder } = prepare(t);
  const [one, two] = [pathOf('one'), pathOf('two')];
  works.make(one);
  t.same(contentOf(one), EMPTY);
  for (const path of ['in/input', 'out/output', 'tmp/left', 'core']) writeFileSync(join(one, path), 'x');
  mkdirSync(join(one, 'out', 'deep', 'er'), { recursive: true });
  finishWork(one, [join(one, 'in/input')]);
  chmodSync(join(one, 'tmp'), 0o500);
  const { ino } = statSync(join(one, 'out'));
  works.remove(one);
  t.notOk(existsSync(one));
  works.make(two);
  t.same(contentOf(two), EMPTY);
  t.equal(statSync(join(two, 'out')).ino, ino, 'it was not made anew');
  t.same(readdirSync(folder), ['two.1']);
});

t.test('what a payload has made another thing of is kept for nobody', async (t) => {
  const { works, pathOf, folder, elsewhere } = prepare(t);
  works.make(pathOf('one'));
  rmSync(join(pathOf('one'), 'out'), { recursive: true });
  symlinkSync(elsewhere, join(pathOf('one'), 'out'));
  works.remove(pathOf('one'));
  t.ok(existsSync(join(elsewhere, 'kept')));
  works.make(pathOf('two'));
  t.same(contentOf(pathOf('two')), EMPTY);
  rmSync(pathOf('two'), { recursive: true });
  symlinkSync(elsewhere, pathOf('two'));
  works.remove(pathOf('two'));
  t.ok(existsSync(join(elsewhere, 'kept')), 'nor what stands in the place of the whole');
  t.same(readdirSync(folder), []);
});

t.test('no more are kept than there are places, and one that somebody takes away is made anew', async (t) => {
  const { works, pathOf, folder } = prepare(t);
  for (const job of ['one', 'two']) works.make(pathOf(job));
  for (const job of ['one', 'two', 'never']) works.remove(pathOf(job));
  const [kept = '', ...more] = readdirSync(folder);
  t.same(more, []);
  rmSync(join(folder, kept), { recursive: true });
  works.make(pathOf('three'));
  t.same(contentOf(pathOf('three')), EMPTY);
});
