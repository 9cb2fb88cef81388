/** Small files that survive power loss, and what may stand in the place of what is being written. */

import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeFileDurably } from '../../src/base/durable-file.js';

t.test('a file is replaced as a whole, and is for its owner only', async (t) => {
  const dir = t.testdir({ file: 'old' });
  const path = join(dir, 'file');
  writeFileDurably(path, 'new');
  t.equal(readFileSync(path, 'utf8'), 'new');
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.strictSame(readdirSync(dir), ['file']);
});

t.test('a link in the place of what is being written leads nowhere', async (t) => {
  const dir = t.testdir({ precious: 'kept' });
  const path = join(dir, 'file');
  symlinkSync('precious', `${path}.${process.pid}.tmp`);
  writeFileDurably(path, 'new');
  t.equal(readFileSync(join(dir, 'precious'), 'utf8'), 'kept');
  t.equal(readFileSync(path, 'utf8'), 'new');
});

t.test('what a process before this one was writing gives way', async (t) => {
  const path = join(t.testdir(), 'file');
  writeFileSync(`${path}.${process.pid}.tmp`, 'much longer than what is new', { mode: 0o644 });
  writeFileDurably(path, 'new');
  t.equal(readFileSync(path, 'utf8'), 'new');
  t.equal(statSync(path).mode & 0o777, 0o600);
});
