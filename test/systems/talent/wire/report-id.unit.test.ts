/** The ids of reports: talent knows by them what it was told by an earlier version. */

import { createHash } from 'node:crypto';
import t from 'tap';
import { reportHeader } from '../../../../src/systems/talent/wire/report-id.js';

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

t.test('ids are those of all versions', async (t) => {
  const key = { task_id: 'one', attempt: 2 };
  t.same(reportHeader('log', key, [17, 'line']), {
    task_id: 'one',
    for_attempt: 2,
    command_id: sha256('owl/log-report/1/one/2/17/line'),
  });
  t.equal(
    reportHeader('supervisor', key, ['started', '']).command_id,
    sha256('owl/supervisor-report/1/one/2/started/'),
  );
});
