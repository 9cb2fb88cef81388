/** The log receiver's process as its supervisor keeps it, with real processes that end in every way. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import type { Clock } from '../../src/runtime/clock.js';
import { identifyProcess } from '../../src/runtime/process-identity.js';
import { LogReceiverProcess } from '../../src/supervisor/log-receiver-process.js';
import { until } from '../support/until.js';

/** Its timers keep the test alive while nothing else does. */
const clock: Clock = {
  now: () => Date.now(),
  after: (delayMs, run) => {
    const timeout = setTimeout(run, delayMs);
    return () => clearTimeout(timeout);
  },
};
const STAYS = [process.execPath, '-e', 'setInterval(() => {}, 1000)'];

function receiverIn(data: string, argv: readonly string[], version = '1') {
  const pids: number[] = [];
  const logger = pino({ level: 'silent' });
  const receiver = new LogReceiverProcess({
    data,
    argv,
    version,
    clock,
    logger,
    onStarted: (pid) => pids.push(pid),
  });
  return { receiver, pids };
}

function isGone(pid: number | undefined): boolean {
  return pid === undefined || identifyProcess(pid) === undefined;
}

/** Starts one in a process that is then killed, as a supervisor that vanishes. */
async function leaveOne(data: string): Promise<number> {
  const module = new URL('../../src/supervisor/log-receiver-process.js', import.meta.url);
  const script = `
    import { LogReceiverProcess } from ${JSON.stringify(module.href)};
    const clock = { now: () => Date.now(), after: (ms, run) => { const t = setTimeout(run, ms); return () => clearTimeout(t); } };
    const logger = { info() {}, error() {} };
    const receiver = new LogReceiverProcess({ data: ${JSON.stringify(data)}, argv: ${JSON.stringify(STAYS)},
      version: '1', clock, logger, onStarted: (pid) => console.log(pid) });
    await receiver.start();
    setInterval(() => {}, 1000);`;
  const supervisor = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [pid]: unknown[] = await once(supervisor.stdout, 'data');
  const gone = once(supervisor, 'exit');
  supervisor.kill('SIGKILL');
  await gone;
  return Number(String(pid));
}

function prepare(t: Test): string {
  return t.testdir();
}

t.test('one runs, and ends with its supervisor', async (t) => {
  const data = prepare(t);
  const { receiver, pids } = receiverIn(data, STAYS);
  await receiver.start();
  t.same(pids, [receiver.pid]);
  t.notOk(isGone(receiver.pid));
  await receiver.stop();
  t.ok(isGone(pids[0]));
  t.notOk(existsSync(join(data, 'log-receiver.json')));
});

t.test('gone, it is started again', async (t) => {
  const { receiver, pids } = receiverIn(prepare(t), STAYS);
  await receiver.start();
  process.kill(pids[0] ?? 0, 'SIGKILL');
  await until('there is another', () => pids.length === 2);
  t.equal(receiver.pid, pids[1]);
  await receiver.stop();
  t.ok(pids.every(isGone));
});

t.test('one that can not be started is tried again, and stopping does not wait for it', async (t) => {
  const { receiver, pids } = receiverIn(prepare(t), ['/nowhere/receiver']);
  await receiver.start();
  t.equal(receiver.pid, undefined);
  await receiver.stop();
  t.same(pids, []);
});

t.test('one that does not hear SIGTERM is killed', async (t) => {
  const script =
    'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); require("node:fs").writeFileSync("deaf", "")';
  const data = prepare(t);
  const { receiver, pids } = receiverIn(data, [process.execPath, '-e', script]);
  await receiver.start();
  await until('it is deaf', () => existsSync(join(data, 'deaf')));
  await receiver.stop();
  t.ok(isGone(pids[0]));
});

t.test('that of a killed supervisor is taken over, watched, and missed', async (t) => {
  const data = prepare(t);
  const pid = await leaveOne(data);
  const { receiver, pids } = receiverIn(data, STAYS);
  await receiver.start();
  t.same(pids, [pid]);
  process.kill(pid, 'SIGKILL');
  await until('there is another', () => pids.length === 2);
  await receiver.stop();
  t.ok(pids.every(isGone));
});

t.test('that of another version, or with other arguments, is replaced', async (t) => {
  for (const [argv, version] of [
    [STAYS, '2'],
    [[...STAYS, 'more'], '1'],
  ] as const) {
    const data = prepare(t);
    const pid = await leaveOne(data);
    const { receiver, pids } = receiverIn(data, argv, version);
    await receiver.start();
    t.ok(isGone(pid));
    t.not(pids[0], pid);
    t.match(JSON.parse(readFileSync(join(data, 'log-receiver.json'), 'utf8')), { pid: pids[0], version });
    await receiver.stop();
  }
});
