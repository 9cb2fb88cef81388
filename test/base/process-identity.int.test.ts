import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { identifyProcess, isAlive } from '../../src/base/process-identity.js';
import { until } from '../support/until.js';

const skip = process.platform === 'linux' ? false : 'processes can be identified on Linux only';

t.test('this process', { skip }, async (t) => {
  const me = identifyProcess(process.pid);
  t.match(me, {
    pid: process.pid,
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    startTime: /^\d+$/,
  });
  t.strictSame(identifyProcess(process.pid), me, 'the same at any time');
  t.ok(me !== undefined && isAlive(me));
});

t.test('another process, until it is killed', { skip }, async (t) => {
  const child = spawn(process.execPath, ['-e', 'process.title = "a) R 1 (b"; process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const { pid = 0 } = child;
  const name = () => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  await until('its name can mislead a parser', () => name() === 'a) R 1 (b');
  const identity = identifyProcess(pid);
  if (identity === undefined) throw new Error('a running process has an identity');
  t.match(identity.startTime, /^\d+$/);
  t.ok(Number(identity.startTime) >= Number(identifyProcess(process.pid)?.startTime));
  t.ok(isAlive(identity));
  t.notOk(isAlive({ ...identity, startTime: '1' }), 'not one that had its pid before');
  t.notOk(isAlive({ ...identity, bootId: 'another' }), 'not one before the last restart');
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  t.notOk(isAlive(identity));
  t.equal(identifyProcess(pid), undefined);
});
