/** Who is believed: reports with and without a key, while supervisors come and go, over a real talent. */

import t, { type Test } from 'tap';
import { hashOfReportKey } from '../../../../../src/base/report-key.js';
import type { PlotTaskStatus } from '../../../../../src/systems/talent/wire/messages.js';
import { orderFor, startTalentNode, type TalentNode } from '../../../../support/talent-node.js';
import { until } from '../../../../support/until.js';
import { LEASE, startLeasing } from '../../support/leasing.js';

const KEY = 'the key of this machine';
const STRANGER = /a report from elsewhere changes nothing/;

async function attach(
  { client }: Pick<TalentNode, 'client'>,
  session_id: string,
  key?: string,
): Promise<void> {
  await client.attach({
    worker_id: 'w',
    session_id,
    lease_seconds: LEASE,
    ...(key === undefined ? {} : { report_key_hash: hashOfReportKey(key) }),
  });
}

async function running(t: Test): Promise<TalentNode> {
  const node = await startTalentNode(t);
  await node.client.create(orderFor('a', { worker_id: 'w' }));
  await node.client.update({ task_id: 'a', status: 'running' });
  return node;
}

/** Acknowledged, or refused with that. */
async function tells(t: Test, { client }: Pick<TalentNode, 'client'>, report: PlotTaskStatus, msg?: RegExp) {
  const answer = await client.update({ task_id: 'a', ...report });
  t.equal(answer.is_success ?? false, msg === undefined, answer.msg ?? '');
  if (msg !== undefined) t.match(answer.msg, msg);
}

t.test('whoever reports is believed while nobody is attached, or somebody without a key', async (t) => {
  const node = await running(t);
  await tells(t, node, { remarks: 'nobody is attached' });
  await attach(node, 'old');
  await tells(t, node, { remarks: 'as the version before reports' });
  await tells(t, node, { remarks: 'a new log receiver under an old supervisor', report_key: KEY });
});

t.test('with a key its reports count, those without change nothing', async (t) => {
  const node = await running(t);
  await attach(node, 's1', KEY);
  const { revision } = await node.client.status({ task_id: 'a' });
  for (const report of [
    { status: 'failed' },
    { log_offset: 99 },
    { plot_details: { id: 'f'.repeat(64) } },
    {},
  ])
    await tells(t, node, report, STRANGER);
  t.match(await node.client.status({ task_id: 'a' }), { status: 'running', revision });
  await tells(t, node, { log_offset: 99, report_key: KEY });
  await tells(t, node, { task_id: 'b' }, /task b does not exist/);

  await node.client.create(orderFor('elsewhere', { worker_id: 'w2' }));
  await tells(t, node, { task_id: 'elsewhere', status: 'running' });
});

t.test('the same session may get a key later, as with a talent that is upgraded', async (t) => {
  const node = await running(t);
  await attach(node, 's1');
  await tells(t, node, { remarks: 'anybody' });
  await attach(node, 's1', KEY);
  await tells(t, node, { remarks: 'anybody again' }, STRANGER);
  await tells(t, node, { remarks: 'with the key', report_key: KEY });
});

t.test('a key outlives sessions; without a holder everybody is believed again', async (t) => {
  const node = await running(t);
  await attach(node, 's1', KEY);
  await attach(node, 's2', KEY);
  await tells(t, node, { remarks: 'of the log receiver that s1 had', report_key: KEY });
  await node.client.detach({ worker_id: 'w', session_id: 's2' });
  await tells(t, node, { remarks: 'an old peer' });
});

t.test('a report with the key of another machine waits until that holds the lease', async (t) => {
  const node = await running(t);
  await attach(node, 's1', KEY);
  const reports = node.client.reports('the key of a second machine');
  t.teardown(() => reports.close());
  let answered = false;
  const ack = reports.send({ task_id: 'a', remarks: 'told by the second' });
  void ack.then(() => {
    answered = true;
  });
  await t.rejects(
    node.client.update({ task_id: 'a', report_key: 'the key of a second machine' }),
    /the key of another machine/,
  );
  t.notOk(answered);
  await attach(node, 's2', 'the key of a second machine');
  t.match(await ack, { is_success: true });
});

t.test('a lost supervisor still holds its lease, also when talent is restarted', async (t) => {
  const before = await startLeasing(t);
  await before.task('a', 'running');
  await attach(before, 's1', KEY);
  before.advance(LEASE);
  await before.untilStatus('lost');
  await tells(t, before, { status: 'failed' }, STRANGER);
  await before.stop();
  const after = await startLeasing(t, { data: before.data }, before.clock);
  await tells(t, after, { status: 'failed' }, STRANGER);
  await tells(t, after, { remarks: 'here again', report_key: KEY });
});

t.test('how far a log was told of does not go back, and a stop is not reported', async (t) => {
  const node = await running(t);
  await tells(t, node, { log_offset: 500 });
  await tells(t, node, { log_offset: 20 });
  t.match(await node.client.status({ task_id: 'a' }), { log_offset: 500 });
  await tells(t, node, { status: 'stopping' }, /a stop is asked for with plot_task_stop, not reported/);
  await node.client.stop({ task_id: 'a' });
  await tells(t, node, { status: 'stopping' });
  await until(
    'it is being stopped',
    async () => (await node.client.status({ task_id: 'a' })).status === 'stopping',
  );
});
