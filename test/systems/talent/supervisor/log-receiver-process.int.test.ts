/** The log receiver as its supervisor keeps it: with real ones, started by it or by others, that end in every way. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { identifyProcess } from '../../../../src/base/process-identity.js';
import { readLogReceiver } from '../../../../src/systems/talent/machine/log-receiver-identity.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { LogReceiverProcess } from '../../../../src/systems/talent/supervisor/log-receiver-process.js';
import { processesOf } from '../../../support/processes.js';
import { until } from '../../../support/until.js';
import { wakingClock as clock } from '../../../support/waking-clock.js';

const RUN_LOG_RECEIVER = fileURLToPath(new URL('../../../support/run-log-receiver.js', import.meta.url));
/** Nobody listens there. */
const SERVER = '127.0.0.1:9';
/** Of the log receivers that are right for the supervisors here. */
const VERSION = '1';

function moduleOf(name: string): string {
  return new URL(`../../../../src/${name}`, import.meta.url).href;
}

interface Given {
  readonly argv?: readonly string[];
  readonly version?: string;
  readonly server?: string;
}

function argvIn(data: string, { version = VERSION, server = SERVER }: Given = {}): string[] {
  return [process.execPath, RUN_LOG_RECEIVER, data, server, version];
}

/** What a supervisor has. Whatever became of it, nothing is left of it in the end. */
function receiverIn(t: Test, data: string, { argv = argvIn(data) }: Given = {}) {
  const pids: number[] = [];
  const receiver = new LogReceiverProcess({
    ...{
      machine: new TalentDirectory(data),
      argv,
      version: VERSION,
      server: SERVER,
      reportKey: undefined,
      clock,
    },
    logger: pino({ level: 'silent' }),
  });
  const stop = async (): Promise<void> => {
    await receiver.stop();
    t.same(processesOf(data), [], 'no process is left');
    t.notOk(existsSync(join(data, 'log-receiver.json')), 'nobody is named');
  };
  const start = () => receiver.start((pid) => pids.push(pid));
  return { receiver, pids, start, stop };
}

function isGone(pid: number | undefined): boolean {
  return pid === undefined || identifyProcess(pid) === undefined;
}

/** Starts one as an operator does, or a supervisor that is then killed. It has the lock. */
async function startApart(t: Test, data: string, given?: Given): Promise<ChildProcess> {
  const [program = '', ...args] = argvIn(data, given);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await until('it has the lock', () => readLogReceiver(new TalentDirectory(data))?.pid === child.pid);
  return child;
}

t.test('one runs, and ends with its supervisor', async (t) => {
  const data = t.testdir();
  const { receiver, pids, start, stop } = receiverIn(t, data);
  await start();
  t.same(pids, [receiver.pid]);
  t.match(readLogReceiver(new TalentDirectory(data)), {
    pid: receiver.pid,
    version: VERSION,
    server: SERVER,
  });
  await stop();
});

t.test('gone, it is started again', async (t) => {
  const { receiver, pids, start, stop } = receiverIn(t, t.testdir());
  await start();
  process.kill(pids[0] ?? 0, 'SIGKILL');
  await until('there is another', () => pids.length === 2);
  t.equal(receiver.pid, pids[1]);
  await receiver.stop();
  t.ok(pids.every(isGone));
  await stop();
});

t.test('one that can not be started is tried again, and stopping does not wait for it', async (t) => {
  const { receiver, pids, start, stop } = receiverIn(t, t.testdir(), { argv: ['/nowhere/receiver'] });
  await start();
  t.equal(receiver.pid, undefined);
  await stop();
  t.same(pids, []);
});

t.test('one that is only just starting ends too', async (t) => {
  const data = t.testdir();
  const { pids, start, stop } = receiverIn(t, data, {
    argv: [process.execPath, '-e', 'setInterval(() => {}, 1000)', data],
  });
  const started = start();
  await until('it runs', () => processesOf(data).length === 1);
  await stop();
  await started;
  t.same(pids, []);
});

t.test('one that does not hear SIGTERM is killed', async (t) => {
  const data = t.testdir();
  const script = `
    import { identifyProcess } from ${JSON.stringify(moduleOf('base/process-identity.js'))};
    import { writeLogReceiver } from ${JSON.stringify(moduleOf('systems/talent/machine/log-receiver-identity.js'))};
    import { TalentDirectory } from ${JSON.stringify(moduleOf('systems/talent/machine/talent-directory.js'))};
    process.on('SIGTERM', () => {});
    setInterval(() => {}, 1000);
    const who = { version: ${JSON.stringify(VERSION)}, server: ${JSON.stringify(SERVER)} };
    writeLogReceiver(new TalentDirectory(${JSON.stringify(data)}), { ...identifyProcess(process.pid), ...who });`;
  const { receiver, pids, start } = receiverIn(t, data, {
    argv: [process.execPath, '--input-type=module', '-e', script],
  });
  await start();
  t.equal(pids.length, 1);
  await receiver.stop();
  t.ok(isGone(pids[0]));
  t.equal(readLogReceiver(new TalentDirectory(data)), undefined, 'a dead one is nobody');
});

t.test('one that is there is taken over, watched, missed and ended, whoever started it', async (t) => {
  const data = t.testdir();
  const first = await startApart(t, data);
  const { pids, start, stop } = receiverIn(t, data);
  await start();
  t.same(pids, [first.pid]);
  first.kill('SIGTERM');
  await until('there is another', () => pids.length === 2);
  process.kill(pids[1] ?? 0, 'SIGKILL');
  await until('there is another', () => pids.length === 3);
  await stop();

  const second = await startApart(t, data);
  const next = receiverIn(t, data);
  await next.start();
  const ended = once(second, 'exit');
  await next.receiver.stop();
  t.same(await ended, [0, null], 'in order');
  t.same(next.pids, [second.pid]);
});

t.test('one that was faster is as good as the one that was started', async (t) => {
  const data = t.testdir();
  // As when a supervisor is killed before its log receiver has the lock: then the next one finds nobody.
  const script = `
    const { spawn } = require('node:child_process');
    const [program, ...args] = ${JSON.stringify(argvIn(data))};
    spawn(program, args, { detached: true, stdio: 'ignore' }).unref();
    const look = () => require('node:fs').existsSync('log-receiver.json') ? process.exit(1) : setTimeout(look, 5);
    look();`;
  const { pids, start, stop } = receiverIn(t, data, { argv: [process.execPath, '-e', script] });
  await start();
  t.match(readLogReceiver(new TalentDirectory(data)), { pid: pids[0] });
  t.equal(pids.length, 1);
  await stop();
});

t.test('one of another version, or for another talent, is replaced', async (t) => {
  for (const given of [{ version: '2' }, { server: '127.0.0.1:10' }]) {
    const data = t.testdir();
    const other = await startApart(t, data, given);
    const { pids, start, stop } = receiverIn(t, data);
    await start();
    t.ok(isGone(other.pid));
    t.equal(pids.length, 1);
    t.match(readLogReceiver(new TalentDirectory(data)), { pid: pids[0], version: VERSION, server: SERVER });
    await stop();
  }
});

t.test('while none can say who it is there is none, and nobody is harmed', async (t) => {
  const data = t.testdir();
  // A directory in the way stands for a disk that takes no more files.
  const inTheWay = join(data, 'log-receiver.json');
  mkdirSync(join(inTheWay, 'full'), { recursive: true });
  const { receiver, pids, start, stop } = receiverIn(t, data);
  await start();
  t.equal(receiver.pid, undefined);
  t.same(processesOf(data), [], 'and none holds the lock without a name');
  rmSync(inTheWay, { recursive: true });
  await until('there is one', () => pids.length === 1);
  await stop();
  t.same(readdirSync(data), ['log-receiver.lock', 'report.key']);
});
