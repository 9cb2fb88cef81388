/** The limit of memory of a cgroup, and what the kernel says of it, as files that look like its own. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { limitMemory, wasOutOfMemory } from '../../src/processes/cgroup.js';

t.test('a limit is set where memory is accounted, and nowhere else', (t) => {
  const accounted = t.testdir({ with: { 'memory.max': 'max\n' }, without: {} });
  limitMemory(join(accounted, 'with'), 40 * 1024 * 1024);
  t.equal(readFileSync(join(accounted, 'with', 'memory.max'), 'utf8'), '41943040');
  limitMemory(join(accounted, 'without'), 1);
  t.throws(() => readFileSync(join(accounted, 'without', 'memory.max')), { code: 'ENOENT' });
  limitMemory(join(accounted, 'gone'), 1);
  t.end();
});

t.test('who was ended for it is told from who was not', (t) => {
  const cgroups = t.testdir({
    ended: { 'memory.events': 'low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n' },
    full: { 'memory.events': 'low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\n' },
    without: {},
  });
  const was = (name: string) => wasOutOfMemory(join(cgroups, name));
  t.same([was('ended'), was('full'), was('without'), was('gone')], [true, false, false, false]);
  t.end();
});
