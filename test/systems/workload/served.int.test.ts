/** Why a node may not serve workload: what `workload.storage_roots` does not say, where others reach it, and times that leave no room. */

import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { Settings } from '../../../src/node/config/config.js';
import { startNode } from '../../../src/node/node.js';
import { withRoots, workloadSection } from '../../../src/systems/workload/config.js';
import { workload } from '../../../src/systems/workload/system.js';
import { SYSTEMS } from '../../../src/systems.js';
import { owl } from '../../support/terminal-double.js';

const settings = new Settings(SYSTEMS);
const FILE = 'systems: [workload]\naccess: open\n';
const REFUSED =
  /this node listens on 0\.0\.0\.0:\d+, which others can reach, and nothing says where files may be read and written for them: set `workload\.storage_roots` to a list/;

t.test('relative ones count from where they are said', async (t) => {
  const cwd = t.testdir({ etc: { 'owl.yaml': 'workload: { storage_roots: [., /data, ../more] }\n' } });
  const roots = (env: Record<string, string>, file?: string) =>
    withRoots(settings.load({ env, cwd, file }).of(workloadSection).workload).storage_roots;
  t.strictSame(roots({}, 'etc/owl.yaml'), [join(cwd, 'etc'), '/data', join(cwd, 'more')]);
  t.strictSame(roots({ OWL_WORKLOAD_STORAGE_ROOTS: 'here, /there' }), [join(cwd, 'here'), '/there']);
  t.strictSame(roots({}), ['/'], 'on one machine all that its user may see');
  const wrong = settings.examine({
    env: {},
    cwd: t.testdir({ 'owl.yaml': 'workload: { storage_roots: [""] }\n' }),
  });
  t.match(wrong.problems, [{ key: 'workload.storage_roots.0', rule: 'must be a list of paths' }]);
});

t.test('a node that others can reach wants them, and a check says so before', async (t) => {
  const beyond = ['listen: 0.0.0.0:0', 'listen: 127.0.0.1:0\nhttp_listen: 0.0.0.0:0'];
  for (const [at, listen] of beyond.entries()) {
    const cwd = t.testdir({ 'owl.yaml': `${FILE}${listen}\n` });
    t.match(await owl(['config', 'check'], { cwd }), {
      code: 1,
      stderr: new RegExp(`^owl: owl\\.yaml:${3 + at}:1: \\w*listen: ${REFUSED.source}`),
    });
    await t.rejects(start(cwd), { kind: 'refused', message: REFUSED });
    t.match(await owl(['node', 'run'], { cwd }), { code: 1, stderr: REFUSED });
  }
});

t.test(
  'one that says which, or that all are meant, starts; and so does one for this machine alone',
  async (t) => {
    for (const said of [
      'listen: 0.0.0.0:0\nworkload: { storage_roots: [.] }',
      'listen: 0.0.0.0:0\nworkload: { storage_roots: [/] }',
      'listen: 127.0.0.1:0\nhttp_listen: 127.0.0.1:0',
    ]) {
      const cwd = t.testdir({ 'owl.yaml': `${FILE}${said}\n` });
      t.equal((await owl(['config', 'check'], { cwd })).code, 0, said);
      await (await start(cwd)).stop();
    }
  },
);

t.test(
  'a lease that leaves no room before the give-up is told with its keys, and nothing starts',
  async (t) => {
    const cwd = t.testdir({ 'owl.yaml': `${FILE}workload: { lease_seconds: 60, give_up_seconds: 119 }\n` });
    const rule =
      /give_up_seconds: must be at least workload\.lease_seconds \(60\) and workload\.margin_seconds \(60\) together, 120, not 119/;
    t.match(await owl(['config', 'check'], { cwd }), { code: 1, stderr: rule });
    await t.rejects(start(cwd), { kind: 'refused', message: rule });
    const env = { OWL_WORKLOAD_GIVE_UP_SECONDS: '120' };
    t.equal((await owl(['config', 'check'], { cwd, env })).code, 0, 'wherever it is said');
  },
);

function start(cwd: string) {
  const config = settings.load({ env: {}, cwd });
  return startNode({ systems: [workload], config, logger: pino({ level: 'silent' }) });
}
