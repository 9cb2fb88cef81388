/** A service as anybody keeps it: with real processes that come, stay away, are faster, are late and end in every way. */

import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OwlError } from '../../../src/base/errors.js';
import { LaunchedProcess } from '../../../src/processes/services/launched-process.js';
import { type ServiceOptions, startService } from '../../../src/processes/services/start-service.js';
import { processesOf } from '../../support/processes.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';

/** Says that it is there and stays. Its directory is its second argument. */
const STAYS = "console.log('there'); setInterval(() => {}, 1000)";

interface There {
  readonly pid: number | undefined;
  readonly process: LaunchedProcess | undefined;
}

interface Told {
  readonly found: There[];
  readonly gone: There[];
  readonly failed: unknown[];
  /** How many processes were started. */
  launches: number;
}

function serviceIn(t: Test, script: string, given: Partial<ServiceOptions<There>> = {}) {
  if (!existsSync(t.testdirName)) t.testdir();
  const directory = mkdtempSync(join(t.testdirName, 'service-'));
  const told: Told = { found: [], gone: [], failed: [], launches: 0 };
  const service = startService<There>({
    name: 'the service',
    knock: (process) => (process?.firstLine === undefined ? undefined : { pid: process.pid, process }),
    launch: () => {
      told.launches += 1;
      return new LaunchedProcess({
        argv: [process.execPath, '-e', script, directory],
        ...{ cwd: directory, env: {}, fate: 'shares', stderr: undefined, stdout: 'first line' },
      });
    },
    gone: ({ process }) => process?.ended ?? new Promise(() => undefined),
    release: async ({ process }) => await process?.end(clock, 1_000),
    endsWithinMs: 1_000,
    firstStart: { triedForMs: 0 },
    backoff: { firstMs: 1, longestMs: 5 },
    clock,
    notStarted: (process) => new OwlError('unavailable', `no service: ${process.howItEnded()}`),
    onFound: (found) => told.found.push(found),
    onGone: (found) => told.gone.push(found),
    onFailed: (error) => told.failed.push(error),
    ...given,
  });
  t.teardown(async () => {
    await service.stop();
    if (processesOf(directory).length > 0) throw new Error('a process is left');
  });
  return { service, told, directory };
}

t.test('it is there once it is found, is missed when it is gone, and is followed by another', async (t) => {
  const { service, told } = serviceIn(t, STAYS);
  const first = await service.started;
  t.equal(service.found, first);
  process.kill(first.pid ?? 0, 'SIGKILL');
  await until('there is another', () => told.found.length === 2);
  t.same(told.gone, [first]);
  t.not(service.found?.pid, first.pid);
  await service.stop();
  t.equal(service.found, undefined);
});

t.test('a first start that fails has failed, with the reason, and nothing is tried again', async (t) => {
  const { service, told } = serviceIn(t, 'process.exit(3)');
  await t.rejects(service.started, { message: 'no service: exit code 3' });
  await service.stop();
  t.equal(told.launches, 1);
  t.same(told.failed, []);
});

t.test('a program that there is not says so, at once or a turn later', async (t) => {
  const { service } = serviceIn(t, '', {
    launch: () =>
      new LaunchedProcess({
        argv: ['/nowhere/service'],
        ...{ cwd: '/', env: {}, fate: 'outlives', stderr: undefined, stdout: 'nowhere' },
      }),
    notStarted: ({ failure }) => new OwlError('unavailable', `no service: ${failure?.message}`),
  });
  await t.rejects(service.started, { message: 'no service: spawn /nowhere/service ENOENT' });
});

t.test('a first start is tried again for as long as was said', async (t) => {
  const script = `
    const { existsSync, writeFileSync } = require('node:fs');
    if (!existsSync('second')) { writeFileSync('second', ''); process.exit(0); }
    ${STAYS}`;
  const { service, told } = serviceIn(t, script, { firstStart: { triedForMs: 60_000 } });
  await service.started;
  t.equal(told.launches, 2);
});

t.test('where it goes on, a first start that fails is told and tried again', async (t) => {
  const script = `require('node:fs').existsSync('allowed') ? (${STAYS.replace('; ', ', ')}) : process.exit(1)`;
  const { service, told, directory } = serviceIn(t, script, { firstStart: 'go on' });
  await t.rejects(service.started, { message: 'no service: exit code 1' });
  await until('it was tried again', () => told.launches > 2);
  writeFileSync(join(directory, 'allowed'), '');
  await until('it is there', () => service.found !== undefined);
  t.same(told.gone, []);
  t.ok(told.failed.length > 1);
});

t.test(
  'one that does not stay is given up after so many times within so long, with the last reason',
  async (t) => {
    const { service, told } = serviceIn(t, "console.log('there'); process.exit(2)", {
      giveUp: { times: 3, withinMs: 600_000 },
    });
    await t.rejects(service.givenUp, {
      kind: 'unavailable',
      message: /^the service was started 3 times within 600 seconds and did not stay, so it is given up/,
    });
    const { launches } = told;
    await service.stop();
    t.equal(launches, 3);
    t.equal(told.launches, 3, 'and nothing more is started');
  },
);

t.test('ends that lie longer apart than that are no reason to give up', async (t) => {
  let looks = 0;
  const { service, told } = serviceIn(t, "console.log('there'); process.exit(2)", {
    giveUp: { times: 2, withinMs: 0 },
    clock: {
      ...clock,
      monotonic: () => {
        looks += 1;
        return looks;
      },
    },
  });
  service.givenUp.catch(() => t.fail('it was given up'));
  await until('it was started often', () => told.launches > 4);
});

t.test('one that is late is ended, also when it hears no signal', async (t) => {
  const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)";
  const { service, directory } = serviceIn(t, deaf, { startsWithinMs: 200, endsWithinMs: 50 });
  await t.rejects(service.started, { message: /^no service/ });
  t.same(processesOf(directory), []);
});

t.test('one that is there is taken, and one that is unfit is released first and replaced', async (t) => {
  const released: There[] = [];
  const others: There[] = [{ pid: 1, process: undefined }];
  const { service, told } = serviceIn(t, STAYS, {
    knock: (process) =>
      others[0] ?? (process?.firstLine === undefined ? undefined : { pid: process.pid, process }),
    isFit: ({ pid }) => pid !== 1,
    release: async (found) => {
      released.push(found);
      others.shift();
      await found.process?.end(clock, 1_000);
    },
  });
  await service.started;
  t.same(released, [{ pid: 1, process: undefined }]);
  t.equal(told.launches, 1);

  const there = { pid: 2, process: undefined };
  const taken = serviceIn(t, STAYS, { knock: () => there });
  t.equal(await taken.service.started, there);
  t.equal(taken.told.launches, 0);
});

t.test('stopped while it starts it is ended, or awaited and released where that is cleaner', async (t) => {
  const silent = serviceIn(t, 'setInterval(() => {}, 1000)');
  await until('it runs', () => processesOf(silent.directory).length === 1);
  await silent.service.stop();
  await t.rejects(silent.service.started, { message: 'the service was stopped before it was there' });

  const script = `
    const look = () => require('node:fs').existsSync('asked') ? console.log('there') : setTimeout(look, 5);
    look(); setInterval(() => {}, 1000)`;
  const slow = serviceIn(t, script, { stoppedAtStart: 'finish' });
  await until('it runs', () => processesOf(slow.directory).length === 1);
  const stopped = slow.service.stop();
  writeFileSync(join(slow.directory, 'asked'), '');
  await stopped;
  t.equal(slow.told.found.length, 1);
});
