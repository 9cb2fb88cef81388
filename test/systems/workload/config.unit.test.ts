/** What can be configured of workloads. */

import t from 'tap';
import { Settings } from '../../../src/node/config/config.js';
import { workloadSection } from '../../../src/systems/workload/config.js';
import { SYSTEMS } from '../../../src/systems.js';

const settings = new Settings(SYSTEMS);

t.test('a table within a section is read entry by entry, as one at the top of the file', async (t) => {
  const cwd = t.testdir({
    'owl.yaml': 'workload:\n  executables:\n    sort: { argv: [/bin/sort, "{in}"] }\n  pilot: { slots: 3 }\n',
    'wrong.yaml':
      'workload:\n  executables:\n    a: { argv: [x] }\n    b: { argv: [] }\n    c: { argv: [y], devise: cpu }\n',
  });
  const { workload } = settings.load({ env: {}, cwd }).of(workloadSection);
  t.match(workload, { executables: { sort: { argv: ['/bin/sort', '{in}'] } }, pilot: { slots: 3 } });
  t.strictSame(
    settings.examine({ env: {}, cwd, file: 'wrong.yaml' }).problems.map(({ place, key }) => [place, key]),
    [
      ['wrong.yaml:4:10', 'workload.executables.b.argv'],
      ['wrong.yaml:5:21', 'workload.executables.c.devise'],
    ],
  );
  const sound = settings.examine({ env: {}, cwd, file: 'wrong.yaml' }).of(workloadSection);
  t.strictSame(Object.keys(sound?.workload.executables ?? {}), ['a']);
});
