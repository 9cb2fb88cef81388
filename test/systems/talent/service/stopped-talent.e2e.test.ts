/** A real talent that is stopped as by a debugger or a paused machine, while its supervisor goes on beating. */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import t from 'tap';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { orderFor } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';
import { runTalentApart } from '../support/talent-process.js';

/** Well above lease and give-up together. */
const STOPPED_MS = 4_000;

t.test('SIGSTOP for longer than lease and give-up: nobody is lost, no task fails', async (t) => {
  const talent = await runTalentApart(join(t.testdir(), 'talent'), { 'leases.give_up_seconds': '1' });
  t.teardown(() => talent.stop());
  const client = new PlotManagerClient({ server: talent.address, logger: pino({ level: 'silent' }) });
  t.teardown(() => client.close());
  const session = { worker_id: 'w', session_id: 's1' };
  const attach = () => client.attach({ ...session, lease_seconds: 1 });
  await attach();
  await client.create(orderFor('a', { worker_id: 'w' }));
  await client.update({ task_id: 'a', status: 'running' });

  let beating = true;
  let answered = 0;
  const beats = (async () => {
    while (beating) {
      await client.heartbeat(session).then(
        () => answered++,
        () => attach().catch(() => undefined),
      );
      await pause(200);
    }
  })();
  await until('it beats', () => answered > 2);
  talent.signal('SIGSTOP');
  await pause(STOPPED_MS);
  const before = answered;
  talent.signal('SIGCONT');
  await until('it is heard again, for some leases', () => answered > before + 15);
  const { supervisors = [] } = await client.supervisors();
  t.match(supervisors, [{ worker_id: 'w', session_id: 's1', status: 'attached' }]);
  t.equal(supervisors[0]?.lost_time, undefined, 'it was never called lost');
  t.match(await client.status({ task_id: 'a' }), { status: 'running', remarks: undefined });

  beating = false;
  await beats;
  await until('once it is silent indeed it is given up', async () => {
    return (await client.status({ task_id: 'a' })).status === 'failed';
  });
});
