/** docs/configuration.md is true: its plotter is loaded and called as it says, and what it shows of a check is what a check prints. */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { Settings } from '../../src/node/config/config.js';
import { talentSection } from '../../src/systems/talent/config.js';
import { commandFor, problemsOf } from '../../src/systems/talent/supervisor/plotters/plotters.js';
import { SYSTEMS } from '../../src/systems.js';
import { owl } from '../support/terminal-double.js';

const DOC = readFileSync(join(PACKAGE_ROOT, 'docs/configuration.md'), 'utf8');
const ORDER = {
  ...{
    task_id: 'task_1',
    attempt: 1,
    id: 1,
    ksize: 20,
    threads: 2,
    buffer: 500,
    fpk: undefined,
    ppk: undefined,
  },
  ...{ cache1: '/ssd/a b', cache2: '/ssd/2', dest_path: '/farm/1' },
};

t.test('the plotter of the example is called as it says', async (t) => {
  const blocks = [...DOC.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = '']) => block);
  const example = blocks.find((block) => block.startsWith('plotters:')) ?? '';
  const cwd = t.testdir({ ProofOfSpace: '#!/bin/sh\nfor argument; do echo "$argument"; done\n' });
  const program = join(cwd, 'ProofOfSpace');
  execFileSync('chmod', ['+x', program]);
  writeFileSync(join(cwd, 'owl.yaml'), example.replace('/opt/chiapos/ProofOfSpace', program));
  const { plotters } = new Settings(SYSTEMS).load({ env: {}, cwd }).of(talentSection);
  const [[name = '', declaration] = []] = Object.entries(plotters);
  if (declaration === undefined) throw new Error('the example declares no plotter');
  const plotter = { name, ...declaration };
  t.strictSame(problemsOf(plotter), []);
  const [nice = '', ...args] = commandFor(plotter, ORDER);
  const printed = execFileSync(nice, args, { encoding: 'utf8' }).split('\n');
  t.match(printed, [
    'create',
    '-k',
    '20',
    '-r',
    '2',
    '-b',
    '500',
    '-t',
    '/ssd/a b',
    '-2',
    '/ssd/2',
    '-d',
    '/farm/1',
  ]);
  t.match(printed.join(' '), /-f plot-k20-[0-9a-f]{64}\.plot -i [0-9a-f]{64}/);
  t.notOk(printed.includes('-m'), 'without keys there is no memo');
});

t.test('a check prints what is shown of it', async (t) => {
  const [, shown = ''] = /```text\n\$ owl config check\n([\s\S]*?)```/.exec(DOC) ?? [];
  const [, yaml = ''] = /```yaml\n(# A file with slips[\s\S]*?)```/.exec(DOC) ?? [];
  const { code, stderr } = await owl(['config', 'check'], { cwd: t.testdir({ 'owl.yaml': yaml }) });
  t.equal(code, 1);
  t.equal(stderr, shown);
});
