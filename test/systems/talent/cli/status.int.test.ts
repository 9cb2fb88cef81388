/** `owl status`: a node on one page: systems and their sides, what runs, what waits and why. */

import { mkdirSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import { listenLocally } from '../../../../src/processes/local-calls.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { controlHandler } from '../../../../src/systems/talent/supervisor/control.js';
import { orderFor } from '../../../support/talent-node.js';
import { owl } from '../../../support/terminal-double.js';
import { startLeasing } from '../support/leasing.js';

/** What a supervisor says of itself that makes no plots at the moment. */
const IDLE = {
  ...{ pid: 77, data: '/d', server: '127.0.0.1:1', worker_id: 'w', attached: true, away_reason: null },
  ...{ draining: true, log_pid: null, plotter: 'madmax', no_cgroups_reason: null, plots: [], waiting: [] },
};
const NOTHING = () => undefined;

t.test('what runs and how far, what waits and why, and what of it is on this machine', async (t) => {
  const node = await startLeasing(t);
  const status = async (...args: string[]) => {
    const env = { OWL_SERVER: node.address, OWL_DATA: node.data };
    const { code, stdout, stderr } = await owl(['status', ...args], {
      env,
      screen: { columns: 100, rows: 50 },
    });
    t.strictSame([code, stderr], [0, '']);
    return stripVTControlCharacters(stdout);
  };
  await node.client.create(orderFor('early', { worker_id: 'w' }));
  t.match(await status(), /^early +received +no supervisor has attached yet$/m);

  await node.attach('one');
  await node.task('grows', 'running', { remarks: 'writes table 3' });
  await node.task('waits', 'pending', { remarks: 'no room for it on /ssd' });
  await node.client.create(orderFor('lonely', { worker_id: 'elsewhere' }));
  const page = await status();
  t.match(page, new RegExp(`^ *node +${node.address}$`, 'm'));
  t.match(page, /^talent +1 supervisor attached +no supervisor; `owl up` runs one$/m);
  t.match(page, /^talent runs 1$/m);
  t.match(page, /^grows +running +0\.0%, on w, writes table 3$/m);
  t.match(page, /^talent lets wait 3$/m);
  t.match(page, /^waits +pending +no room for it on \/ssd$/m);
  t.match(page, /^early +received +its supervisor \(w\) has not said yet what it waits for$/m);
  t.match(page, /^lonely +received +no supervisor has attached as worker elsewhere; there are w$/m);

  const machine = new TalentDirectory(node.data);
  mkdirSync(machine.path, { recursive: true });
  const idle = { drain: NOTHING, undrain: NOTHING, suspend: NOTHING, resume: NOTHING };
  const socket = await listenLocally(machine.controlSocket, controlHandler({ ...idle, status: () => IDLE }));
  t.teardown(() => socket.close());
  t.match(await status(), /supervisor: process 77, makes plots with madmax, draining/);
  t.match(JSON.parse(await status('--json')), {
    server: node.address,
    systems: [
      {
        name: 'talent',
        machine: 'supervisor',
        service: '1 supervisor attached',
        on_this_machine: /^process 77/,
        runs: [{ name: 'grows', state: 'running' }],
        waits: [{ name: 'early' }, { name: 'waits', what: 'no room for it on /ssd' }, { name: 'lonely' }],
        has_more: false,
      },
    ],
  });
});
