/** Real files that grow, vanish and are swapped while they are followed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { appendFile, open, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { Clock } from '../../../src/base/clock.js';
import { OwlError } from '../../../src/base/errors.js';
import type { LogLine } from '../../../src/processes/logs/line-reader.js';
import {
  type FollowOptions,
  LogChangedError,
  LogFollower,
} from '../../../src/processes/logs/log-follower.js';
import { pathOf, readLog, toLines } from '../../support/plotter-logs.js';
import { wakingClock as clock } from '../../support/waking-clock.js';

const HOUR_MS = 3_600_000;
const BY_POLL = { clock, watch: false, pollMs: 5 } as const;
/** A poll that never comes in a test: whatever is noticed was noticed by the watch. */
const BY_WATCH = { clock, pollMs: HOUR_MS } as const;

/** A clock whose timers never ring, and a promise for the moment when one is set: then the follower sleeps. */
function noticeSleep(): { falling: Promise<void>; sleeper: Clock } {
  let fall = () => {};
  const falling = new Promise<void>((resolve) => {
    fall = resolve;
  });
  const after = () => {
    fall();
    return () => {};
  };
  return { falling, sleeper: { now: () => 0, monotonic: () => 0, sinceBoot: () => 0, after } };
}

function follow(options: FollowOptions): {
  follower: LogFollower;
  lines: AsyncGenerator<LogLine, void, undefined>;
} {
  const follower = new LogFollower(options);
  return { follower, lines: eachLine(follower) };
}

async function* eachLine(follower: LogFollower): AsyncGenerator<LogLine, void, undefined> {
  for await (const { lines } of follower) yield* lines;
}

async function nextText(lines: AsyncGenerator<LogLine, void, undefined>): Promise<string | undefined> {
  const { value } = await lines.next();
  return value?.text;
}

async function readAll(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const all: LogLine[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

/** How many handles of this process stand on the file, where the system tells. */
function openHandles(path: string): number {
  if (!existsSync('/proc/self/fd')) return 0;
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(join('/proc/self/fd', fd)).startsWith(path);
    } catch {
      return false;
    }
  }).length;
}

for (const [how, options] of [
  ['watching', BY_WATCH],
  ['polling', BY_POLL],
] as const) {
  t.test(`${how}: what is there, then what comes, half lines when they are whole`, async (t) => {
    const path = join(t.testdir({}), 'plot.log');
    await writeFile(path, 'one\ntwo\nthr');
    const { follower, lines } = follow({ ...options, path });
    t.equal(await nextText(lines), 'one');
    t.equal(await nextText(lines), 'two');
    const third = lines.next();
    await appendFile(path, 'e');
    await appendFile(path, 'e\nfo');
    t.strictSame((await third).value, { text: 'three', offset: 14 });
    await appendFile(path, 'ur');
    follower.finish();
    t.strictSame(await readAll(lines), [{ text: 'four', offset: 18 }], 'the last line has no end');
    t.equal(openHandles(path), 0);
  });
}

t.test('a log that does not exist yet is waited for', async (t) => {
  const path = join(t.testdir({}), 'plot.log');
  const { follower, lines } = follow({ ...BY_POLL, path });
  const first = lines.next();
  await writeFile(path, 'here\n');
  t.equal((await first).value?.text, 'here');
  follower.finish();
  t.strictSame(await readAll(lines), []);
});

t.test('a log that never came gives nothing', async (t) => {
  const { follower, lines } = follow({ ...BY_WATCH, path: join(t.testdir({}), 'plot.log') });
  follower.finish();
  t.strictSame(await readAll(lines), []);
});

t.test('it begins at the byte it is told', async (t) => {
  const path = join(t.testdir({}), 'plot.log');
  await writeFile(path, 'one\ntwo\nthree\n');
  const { follower, lines } = follow({ ...BY_WATCH, path, from: 4 });
  follower.finish();
  t.strictSame(await readAll(lines), [
    { text: 'two', offset: 8 },
    { text: 'three', offset: 14 },
  ]);
});

t.test('a real log that a process writes in pieces arrives whole', async (t) => {
  const path = join(t.testdir({}), 'plot.log');
  const writer = `
    const { appendFileSync, readFileSync } = require('node:fs');
    const [, source, target] = process.argv;
    const bytes = readFileSync(source);
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7919) % 4099 + 1)
      appendFileSync(target, bytes.subarray(at, at + size));`;
  const child = spawn(process.execPath, ['-e', writer, pathOf('chia'), path], { stdio: 'ignore' });
  const follower = new LogFollower({ clock, path, pollMs: 5 });
  const ended = once(child, 'exit').then(() => follower.finish());
  const lines: LogLine[] = [];
  for await (const batch of follower) {
    t.equal(batch.offset, batch.lines.at(-1)?.offset);
    lines.push(...batch.lines);
  }
  await ended;
  t.strictSame(lines, toLines(readLog('chia')));
});

t.test('a line of 100 MB is passed by', async (t) => {
  const path = join(t.testdir({}), 'plot.log');
  const before = readLog('madmax');
  const file = await open(path, 'w');
  await file.write(before);
  await file.truncate(before.length + 100_000_000);
  await file.write(Buffer.from('\nafter\n'), 0, 7, before.length + 100_000_000);
  await file.close();
  const { follower, lines } = follow({ ...BY_WATCH, path });
  follower.finish();
  const all = await readAll(lines);
  t.strictSame(all.slice(0, -2), toLines(before));
  t.equal(all.at(-2)?.text, '\0'.repeat(65_536));
  t.strictSame(all.at(-1), { text: 'after', offset: before.length + 100_000_007 });
});

t.test('a log that was cut is an error that says how far it was read', async (t) => {
  const path = join(t.testdir({}), 'plot.log');
  await writeFile(path, 'one\ntwo\n');
  const { lines } = follow({ ...BY_POLL, path });
  await lines.next();
  await lines.next();
  const next = lines.next();
  await truncate(path, 4);
  await t.rejects(next, { name: 'LogChangedError', change: 'truncated', offset: 8, path, kind: 'conflict' });
  t.equal(openHandles(path), 0);
});

t.test('a log shorter than where to go on is the same error', async (t) => {
  const path = join(t.testdir({}), 'plot.log');
  await writeFile(path, 'one\n');
  await t.rejects(readAll(follow({ ...BY_WATCH, path, from: 5 }).lines), LogChangedError);
});

t.test('another file in the place of the log is an error, after the log has been read', async (t) => {
  const dir = t.testdir({});
  const path = join(dir, 'plot.log');
  await writeFile(path, 'one\ntwo\n');
  await writeFile(join(dir, 'other.log'), 'other and longer than the first\n');
  const { lines } = follow({ ...BY_POLL, path });
  t.equal(await nextText(lines), 'one');
  await appendFile(path, 'three\n');
  await rename(join(dir, 'other.log'), path);
  t.equal(await nextText(lines), 'two');
  t.equal(await nextText(lines), 'three');
  await t.rejects(lines.next(), { name: 'LogChangedError', change: 'replaced', offset: 14 });
});

t.test('a log whose name is gone is read on', async (t) => {
  const path = join(t.testdir({}), 'plot.log');
  const writer = await open(path, 'w');
  await writer.write('one\n');
  const { follower, lines } = follow({ ...BY_POLL, path });
  t.equal(await nextText(lines), 'one');
  await rm(path);
  await writer.write('two\n');
  await writer.close();
  t.equal(await nextText(lines), 'two');
  follower.finish();
  t.strictSame(await readAll(lines), []);
});

t.test('a signal ends it without an error, asleep or not, with the log there or not', async (t) => {
  const dir = t.testdir({ 'plot.log': 'one\n' });
  for (const file of ['plot.log', 'missing.log']) {
    const stop = new AbortController();
    const all = readAll(follow({ ...BY_WATCH, path: join(dir, file), signal: stop.signal }).lines);
    stop.abort();
    t.ok((await all).length <= 1);
    t.strictSame(
      await readAll(follow({ ...BY_WATCH, path: join(dir, file), signal: stop.signal }).lines),
      [],
    );
  }
  const stop = new AbortController();
  const { lines } = follow({ ...BY_WATCH, path: join(dir, 'plot.log'), signal: stop.signal });
  t.equal(await nextText(lines), 'one');
  const next = lines.next();
  stop.abort();
  t.equal((await next).done, true);
  t.equal(openHandles(dir), 0);
});

t.test('asleep, it is woken by the system, by the end of the process and by a signal', async (t) => {
  const wakers: ReadonlyArray<
    readonly [string, (path: string, follower: LogFollower, stop: AbortController) => unknown]
  > = [
    ['the system', (path) => appendFile(path, 'two\n')],
    ['the end', (_, follower) => follower.finish()],
    ['a signal', (_path, _follower, stop) => stop.abort()],
  ];
  for (const [what, wake] of wakers) {
    const path = join(t.testdir({ 'plot.log': 'one\n' }), 'plot.log');
    const stop = new AbortController();
    const { falling, sleeper } = noticeSleep();
    const { follower, lines } = follow({ path, clock: sleeper, signal: stop.signal });
    t.equal(await nextText(lines), 'one');
    const next = lines.next();
    await falling;
    await wake(path, follower, stop);
    const { value, done } = await next;
    t.equal(value?.text ?? done, what === 'the system' ? 'two' : true, what);
    await lines.return();
    t.equal(openHandles(path), 0);
  }
});

t.test('leaving the loop closes the file', async (t) => {
  const path = join(t.testdir({}), 'plot.log');
  await writeFile(path, 'one\ntwo\n');
  for await (const batch of new LogFollower({ ...BY_WATCH, path })) {
    t.equal(batch.lines.length, 2);
    break;
  }
  t.equal(openHandles(path), 0);
});

t.test('what is no readable file is said to be so', async (t) => {
  const { lines } = follow({ ...BY_WATCH, path: t.testdir({}) });
  const error = await lines.next().catch((reason: unknown) => reason);
  t.ok(error instanceof OwlError && error.kind === 'unavailable');
  t.match(error, { message: /can't be read: EISDIR/ });
});
