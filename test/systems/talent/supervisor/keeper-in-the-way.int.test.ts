/** A keeper that does not answer as it should: a supervisor that is starting ends all the same, by itself or when it is told to. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OwlError } from '../../../../src/base/errors.js';
import { type CallHandler, listenLocally } from '../../../../src/processes/local-calls.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { type OwlProcess, startOwl } from '../../../support/owl-process.js';
import { until } from '../../../support/until.js';

/** A supervisor on a data directory whose keeper answers like that, and the calls that came. */
async function startBehind(
  t: Test,
  answer: CallHandler,
): Promise<{ owl: OwlProcess; calls: readonly string[]; data: string }> {
  const cwd = t.testdir();
  const data = join(cwd, 'data');
  mkdirSync(data);
  const calls: string[] = [];
  const keeper = await listenLocally(new TalentDirectory(data).keeperSocket, (method, params, caller) => {
    calls.push(method);
    return answer(method, params, caller);
  });
  t.teardown(() => keeper.close());
  const config = {
    data,
    supervisor: { plotter: 'any' },
    plotters: { any: { argv: [process.execPath], format: 'chiapos' } },
  };
  writeFileSync(join(cwd, 'owl.yaml'), JSON.stringify(config));
  return { owl: startOwl(t, ['supervisor', 'run', '--server', '127.0.0.1:1'], { cwd }), calls, data };
}

t.test('one that is told to end before its keeper has answered ends', async (t) => {
  const { owl, calls } = await startBehind(t, () => new Promise(() => undefined));
  await until('the keeper is asked', () => calls.length > 0);
  owl.child.kill('SIGTERM');
  const { code, stdout, stderr } = await owl.ended;
  t.equal(code, 143);
  t.equal(stdout, '', 'it never said that it makes plots');
  t.notMatch(stderr, /fault of owl/);
});

t.test('one whose keeper refuses what it has to know says so and ends', async (t) => {
  const { owl } = await startBehind(t, (method) => {
    throw new OwlError('invalid', `there is no ${method}`);
  });
  const { code, stdout, stderr } = await owl.ended;
  t.equal(code, 1);
  t.equal(stdout, '');
  t.match(stderr, /there is no list/);
});
