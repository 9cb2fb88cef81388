/** A supervisor's link to a real talent: an announcement that can't be followed harms itself alone. */

import t from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import { TalentLink } from '../../../../src/systems/talent/supervisor/talent-link.js';
import { logLines } from '../../../support/log-lines.js';
import { orderFor, startTalentNode } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';

t.test('work that is followed by a failure is told, and what comes behind it is followed', async (t) => {
  const { client } = await startTalentNode(t);
  for (const id of ['a', 'bad', 'c']) await client.create(orderFor(id, { worker_id: 'w' }));
  const log = logLines();
  const followed: (string | undefined)[] = [];
  let away = 0;
  const link = new TalentLink({
    ...{ client, workerId: 'w', sessionId: 's', host: 'here', version: 'test', leaseSeconds: 30 },
    ...{ clock: systemClock, logger: log.logger, reportKeyHash: undefined },
  });
  link.start({
    onWork: (kind, { task_id }) => {
      if (task_id === 'bad') throw new TypeError('nobody foresaw this task');
      followed.push(task_id ?? kind);
    },
    onAway: () => {
      away += 1;
    },
  });
  t.teardown(() => link.stop('the test is over'));
  await until('all is announced', () => followed.includes('READY'));
  await client.create(orderFor('d', { worker_id: 'w' }));
  await until('what comes later is announced', () => followed.includes('d'));
  t.same(followed, ['a', 'c', 'READY', 'd'], 'on one stream');
  t.equal(away, 0);
  t.match(log.entries('error'), [{ taskId: 'bad', kind: 'START' }]);
  t.equal(log.entries('error').length, 1);
});
