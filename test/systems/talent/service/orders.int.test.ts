/** An order is carried out once, whatever becomes of the task meanwhile, and no report turns a task back. */

import t from 'tap';
import { startTalentNode } from '../../../support/talent-node.js';
import { run, startField } from '../support/old-field.js';
import { PLOT_ID } from '../support/old-log-collector.js';

t.test('a late repetition of a stop that changed nothing does not stop the next attempt', async (t) => {
  const field = await startField(t);
  const { client, peer, events } = field;
  await run(field, 'a');
  t.match(await client.stop({ task_id: 'a', command_id: 'first' }), { is_success: true });
  const twice = await client.stop({ task_id: 'a', command_id: 'second' });
  t.match(twice, { is_success: true, msg: /^stop accepted; no supervisor of worker / });
  // What stands behind the semicolon is advice of the moment.
  const first = { ...twice, msg: /^stop accepted/ };
  t.match(await client.status({ task_id: 'a' }), { status: 'stopping', revision: twice.revision });
  await peer.call('plot_task_update', { task_id: 'a', status: 'stopped' });
  t.match(await client.stop({ task_id: 'a', command_id: 'third' }), { is_success: true });
  t.match(await client.retry({ task_id: 'a' }), { is_success: true });
  for (const command_id of ['first', 'second', 'third'])
    t.match(await client.stop({ task_id: 'a', command_id }), { is_success: true });
  t.match(await client.stop({ task_id: 'a', command_id: 'second' }), first, 'its first answer');
  t.match(await client.status({ task_id: 'a' }), { status: 'received', attempt: 2 });
  const known = await events('a');
  t.same(
    known.filter((type) => type === 'OrderAccepted' || type === 'StopRequested'),
    ['StopRequested', 'OrderAccepted', 'OrderAccepted'],
  );

  await field.stop();
  const again = await startTalentNode(t, { data: field.data });
  t.match(await again.client.stop({ task_id: 'a', command_id: 'second' }), first, 'also after a restart');
  t.match(await again.client.status({ task_id: 'a' }), { status: 'received', attempt: 2 });
});

t.test('one id for two different orders: the second is refused in-band, and by name', async (t) => {
  const field = await startField(t);
  const { client } = field;
  await run(field, 'a');
  await client.stop({ task_id: 'a', command_id: 'x', reason: 'sold' });
  t.match(await client.retry({ task_id: 'a', command_id: 'x' }), {
    is_success: false,
    msg: /^command x was stop and is not carried out as retry/,
  });
  t.match(await client.stop({ task_id: 'a', command_id: 'x' }), { is_success: false, msg: /another stop/ });
  t.match(await client.update({ task_id: 'a', command_id: 'x', remarks: 'r' }), { is_success: false });
  t.match(await client.status({ task_id: 'a' }), { status: 'stopping', remarks: 'sold' });
});

t.test('an older report adds what nobody has told, and turns nothing back', async (t) => {
  const { client, create, events } = await startField(t);
  await create('a');
  const told = (log_offset: number, progress: number, more = {}) => ({
    task_id: 'a',
    for_attempt: 1,
    log_offset,
    command_id: `line-${log_offset}`,
    plot_details: { progress, ...more },
  });
  await client.update({ ...told(100, 5), status: 'running', remarks: 'goes on' });
  await client.update(told(300, 20, { stage_now: 2 }));
  const before = await events('a');
  // After so many others nobody knows its id any more.
  for (let n = 0; n < 200; n++)
    await client.update({ task_id: 'a', log_pid: 1 + (n % 2), command_id: `n${n}` });
  t.match(await client.update({ ...told(100, 5), status: 'running', remarks: 'waits' }), {
    is_success: true,
    msg: 'nothing new',
  });
  t.match(await client.update(told(200, 10, { stage_now: 1, memo: 'ab' })), { msg: 'recorded' });
  t.match(await client.status({ task_id: 'a' }), {
    remarks: 'goes on',
    log_offset: 300,
    plot_details: { progress: 20, stage_now: 2, memo: 'ab' },
  });
  t.equal((await events('a')).length, before.length + 200 + 1);
});

t.test('reports of old peers that come late turn nothing back either', async (t) => {
  const field = await startField(t);
  const { peer, client, events } = field;
  await run(field, 'a');
  const update = (status: string, more: object) =>
    peer.call('plot_task_update', { task_id: 'a', status, ...more });
  await update('running', { plot_details: { id: PLOT_ID, progress: 60, wrote: 5 } });
  const known = await events('a');
  t.match(await update('running', { plot_details: { id: PLOT_ID, progress: 30 } }), { is_success: true });
  t.match(await update('pending', { remarks: 'no room' }), { is_success: true });
  t.same(await events('a'), known);
  t.match(await client.status({ task_id: 'a' }), { status: 'running', plot_details: { progress: 60 } });
});
