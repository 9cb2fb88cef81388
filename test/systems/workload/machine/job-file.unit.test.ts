/** Files of jobs: what is asked on other threads, and what is not. */

import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { flushDirectory, JobFile } from '../../../../src/systems/workload/machine/job-file.js';
import { countThreadCalls } from '../../../support/counted-calls.js';

const SMALL = 'small';
const LARGE = 'x'.repeat(100_000);

for (const isNear of [true, false])
  t.test(`one that is ${isNear ? 'near' : 'far'} has what was written, however large`, async (t) => {
    const folder = t.testdir({ small: SMALL, large: LARGE });
    const detours: Record<string, number> = {};
    for (const [name, content] of Object.entries({ small: SMALL, large: LARGE })) {
      const calls = countThreadCalls(t);
      const { file, stat } = await JobFile.open(join(folder, name), constants.O_RDONLY, { isNear });
      t.equal(stat.size, content.length);
      const target = join(folder, `${name}.copy`);
      const copy = await JobFile.create(target, 0o640, stat.size, { isNear });
      const buffer = Buffer.alloc(stat.size + 1);
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      t.same(await copy.write(buffer, 0, bytesRead), { bytesWritten: content.length });
      await Promise.all([file.close(), copy.close()]);
      detours[name] = calls.detours;
      t.equal(readFileSync(target, 'utf8'), content);
      await t.rejects(JobFile.create(target, 0o640, 0, { isNear }), { code: 'EEXIST' });
      await t.rejects(JobFile.open(join(folder, 'gone'), constants.O_RDONLY, { isNear }), { code: 'ENOENT' });
    }
    // Two opened, one asked about, one read, one written, two closed.
    t.same(detours, isNear ? { small: 0, large: 2 } : { small: 7, large: 7 });
  });

t.test('a small one that grows while it is read is soon read on another thread', async (t) => {
  const folder = t.testdir({ growing: SMALL });
  const path = join(folder, 'growing');
  const { file, stat } = await JobFile.open(path, constants.O_RDONLY, { isNear: true });
  const calls = countThreadCalls(t);
  const buffer = Buffer.alloc(stat.size + 1);
  for (let round = 0; round < 10; round++) {
    writeFileSync(path, SMALL, { flag: 'a' });
    t.ok((await file.read(buffer, 0, buffer.length)).bytesRead > 0);
  }
  t.ok(calls.detours >= 8, `${calls.detours} of 10 readings`);
  await file.close();
});

t.test('who waits for one that is far stops nobody', async (t) => {
  const pipe = join(t.testdir({}), 'pipe');
  execFileSync('mkfifo', [pipe]);
  let isOpen = false;
  const opening = JobFile.open(pipe, constants.O_RDONLY, { isNear: false }).then((opened) => {
    isOpen = true;
    return opened;
  });
  for (let turn = 0; turn < 100; turn++) await nextTurn();
  t.notOk(isOpen, 'nobody writes there');
  const writer = await open(pipe, 'w');
  const { file } = await opening;
  await Promise.all([file.close(), writer.close()]);
});

t.test('one that is closed again closes nobody else', async (t) => {
  const path = join(t.testdir({ a: SMALL }), 'a');
  for (const isNear of [true, false]) {
    const { file } = await JobFile.open(path, constants.O_RDONLY, { isNear });
    await file.close();
    const others = Array.from({ length: 4 }, () => openSync(path, 'r'));
    await file.close();
    t.same(
      others.map((other) => readFileSync(other, 'utf8')),
      others.map(() => SMALL),
    );
    for (const other of others) closeSync(other);
  }
});

t.test('a flush of names says what is wrong', async (t) => {
  const folder = t.testdir({});
  const calls = countThreadCalls(t);
  await flushDirectory(folder);
  t.same(calls, { flushes: 1, detours: 3 });
  await t.rejects(flushDirectory(join(folder, 'gone')), { code: 'ENOENT' });
});
