/** A pilot that is told to end: what becomes of what it runs is as it is set. */

import t from 'tap';
import { findMarked } from '../../../../src/processes/process-family.js';
import { until } from '../../../support/until.js';
import { waitingJob, world } from '../support/pilot-world.js';

t.test('one that ends what it runs says so, with the log, and gives its lease back', async (t) => {
  const here = await world(t);
  const { node, pilot, directory } = here;
  const running = await pilot({ when_stopped: 'end' });
  const job = waitingJob(here, 'runs');
  node.offer(job.order);
  await until('it runs', () => node.of('runs').some(({ started }) => started));
  const [{ record } = {}] = directory.payloads.readAll().processes;
  if (record === undefined) throw new Error('no payload');
  // Asked for, and the answer comes while the pilot ends.
  node.answers = ({ claim }) =>
    claim === undefined ? undefined : { retryable: true, is_success: false, msg: 'later' };
  node.offer(here.order('claimed'));
  await until('it was asked for', () => node.of('claimed').length > 0);
  const stopped = running.stop();
  node.answers = () => undefined;
  t.match(await node.outcome('runs'), {
    failed: { failure_class: 'pilot_stopped', detail: /told to end/, log: { file_name: 'log.txt' } },
  });
  t.match(await node.outcome('claimed'), { failed: { failure_class: 'pilot_stopped' } });
  await stopped;
  t.same(findMarked(directory.payloads.markOf(record)), []);
  t.same(directory.payloads.readAll().processes, []);
  t.equal(node.left.length, 1, 'nothing is unsettled');
  t.equal(job.starts(), 1);
});
