/** What a plotter and the programs around it see of the supervisor's environment. */

import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { problemsOf } from '../../../../../src/systems/talent/supervisor/plotters/plotters.js';
import { isOfTap } from '../../../../support/own-environment.js';
import { until } from '../../../../support/until.js';
import { Farm } from '../../support/farm.js';

const SECRET = 'a-password-of-a-store';

function setVariables(t: Test, variables: Readonly<Record<string, string>>): void {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  t.teardown(() => {
    for (const name of Object.keys(variables)) {
      const value = before[name];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}

function environmentOf(pid: number): string {
  return readFileSync(`/proc/${pid}/environ`, 'utf8');
}

t.test('a plotter inherits what is named, and no password', async (t) => {
  setVariables(t, {
    OWL_STORE: `esdb://admin:${SECRET}@localhost:2113`,
    OTHER_TOKEN: SECRET,
    OWL_TEST_NAMED: 'by the declaration',
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    HOME: '/root',
  });
  const farm = await Farm.start(t);
  const script = 'console.log(JSON.stringify(process.env)); setInterval(() => {}, 1000)';
  await farm.supervise({
    name: 'teller',
    argv: ['{node}', '-e', script],
    environment: ['OWL_TEST_NAMED', 'OWL_TEST_NOWHERE'],
    ...{ format: 'chiapos', temp: [], fills: [] },
  });
  await farm.order('one');
  await farm.reaches('one', 'started');
  await until('it has told', () => farm.logOf('one').endsWith('\n'));
  const seen: Record<string, string> = JSON.parse(farm.logOf('one'));
  const names = Object.keys(seen)
    .filter((name) => !isOfTap(name, seen[name]))
    .sort();
  t.same(names, ['HOME', 'LANG', 'OWL_PLOT', 'OWL_TEST_NAMED', 'PATH', 'TZ']);
  t.notMatch(environmentOf(farm.pidOf('keeper-main.js')), SECRET, 'nor has its keeper got it');
  t.notMatch(environmentOf(farm.pidOf('run-log-receiver.js')), /OWL_STORE/);
  t.notMatch(
    readFileSync(`${farm.data}/plots/one.1.json`, 'utf8'),
    'by the declaration',
    'no record has values',
  );
  await farm.client.stop({ task_id: 'one' });
  await farm.reaches('one', 'stopped');
});

t.test('what can be no variable of a plotter is refused', async (t) => {
  const problems = (...environment: string[]) =>
    problemsOf({ name: 'x', argv: ['x'], format: 'chia', temp: [], fills: [], environment });
  t.same(problems('CHIA_ROOT', '_x9'), []);
  t.match(problems('A=b'), [/^environment "A=b" must be the name of a variable/]);
  t.match(problems('OWL_PLOT'), [/not OWL_PLOT, which owl sets/]);
});
