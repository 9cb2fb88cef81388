/** docs/moving.md: a node with the configuration of the page, asked by peers of the original service. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { loadTalentConfig, startTalent } from '../support/start-talent.js';
import { OldPeer } from '../systems/talent/support/fleet-contract.js';
import { CONFIG } from '../systems/talent/support/old-field.js';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/moving.md'), 'utf8');

t.test(
  'the configuration of the page serves peers of old, and they are told what the page says',
  async (t) => {
    const cwd = t.testdir();
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(PAGE) ?? [];
    t.match(yaml, 'listen: 0.0.0.0:50051');
    writeFileSync(join(cwd, 'owl.yaml'), yaml.replace(':50051', ':0'));
    const talent = await startTalent({
      config: loadTalentConfig({ env: {}, cwd }),
      logger: pino({ level: 'silent' }),
    });
    t.teardown(() => talent.stop());
    const peer = new OldPeer(talent.address.replace('0.0.0.0', '127.0.0.1'));

    const { worker_id: own } = await peer.call('plot_task_status', { task_id: 'nobody' });
    t.equal(own, 'server1');
    t.match(yaml, `worker_id: ${own}`);
    const order = { task_id: 'a', worker_id: 'server1', plot_config: CONFIG };
    t.match(await peer.call('plot_task_create', order), { is_success: true });
    const [task] = await peer.tasks('get_plot_tasks', { status: 'received' });
    t.match(task, { worker_id: 'server1', remarks: 'no supervisor has attached yet' });
    t.match(PAGE, '`no supervisor has attached yet`');

    const told = { task_id: 'a', status: 'started', remarks: 'started by one of old' };
    t.match(await peer.call('plot_task_update', told), { is_success: true });
    const { remarks } = await peer.call('plot_task_status', { task_id: 'a' });
    t.equal(remarks, told.remarks);
    t.match(await peer.call('plot_task_update', { task_id: 'a', status: 'received' }), { is_success: false });
    t.same(await peer.tasks('get_plot_tasks', { status: 'sleeping' }), []);
  },
);

t.test('what the page quotes of answers and log is said so', async (t) => {
  const read = (path: string) => readFileSync(join(PACKAGE_ROOT, path), 'utf8');
  const service = 'src/systems/talent/service';
  t.match(read(`${service}/shown/whole-table.ts`), 'not all tasks that are asked for fit');
  t.match(
    read('test/systems/talent/service/old-answers.int.test.ts'),
    'attached as worker shed3; there are shed-3, plotter-07',
  );
  for (const quoted of ['not all tasks that are asked for fit', 'there are shed-3, plotter-07', 'left_out'])
    t.match(PAGE, quoted);
});
