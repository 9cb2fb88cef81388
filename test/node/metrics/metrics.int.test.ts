/** /metrics of a real node: what happened is counted as often as it happened, and what it says can be read by anybody's parser. */

import t, { type Test } from 'tap';
import { addAccess } from '../../../src/node/access/access-file.js';
import { talent } from '../../../src/systems/talent/system.js';
import { startNode } from '../../support/eventstoredb-stores.js';
import { orderFor } from '../../support/talent-node.js';
import { until } from '../../support/until.js';
import { askAt, type HttpNode, startHttpNode } from '../serving/http/http-node.js';
import { type Family, numberOf, parseExposition } from './exposition.js';

const PLOTS = 'talent.PlotManager';
const SEMAPHORES = 'semaphore.Semaphores';

async function scrape(t: Test, { ask }: HttpNode): Promise<ReadonlyMap<string, Family>> {
  const { status, headers, text } = await ask('GET', '/metrics', { authorization: null });
  t.match(
    { status, headers },
    { status: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } },
  );
  return parseExposition(text);
}

t.test('what happened is counted, each thing once', async (t) => {
  // Nobody is there, so that the loop fails.
  const node = await startHttpNode(t, { config: { 'semaphore.notify_url': 'http://127.0.0.1:9/' } });
  const { call } = node;
  await call(PLOTS, 'supervisor_attach', { worker_id: 'w-1', session_id: 's' });
  for (const id of ['a', 'b', 'c']) await call(PLOTS, 'plot_task_create', orderFor(id, { worker_id: 'w-1' }));
  await call(PLOTS, 'plot_task_retry', { task_id: 'nobody' });
  await t.rejects(call(SEMAPHORES, 'acquire', { name: 'none', holder: 'h' }), { code: 5 });
  await call(SEMAPHORES, 'create', { name: 'gpu', capacity: 1 });
  await call(SEMAPHORES, 'acquire', { name: 'gpu', holder: 'h' });
  await call(SEMAPHORES, 'acquire', { name: 'gpu', holder: 'h' });
  let told = await scrape(t, node);
  await until('what was stored is applied', async () => {
    told = await scrape(t, node);
    const applied = numberOf(told, 'owl_events_applied_total', { projection: 'plot_tasks' });
    const failures = numberOf(told, 'owl_loop_failures_total', { loop: 'tells-holders' }) ?? 0;
    return applied === 3 && failures > 0;
  });
  const is = (name: string, labels: Readonly<Record<string, string>>, value: number) =>
    t.equal(numberOf(told, name, labels), value, `${name} ${JSON.stringify(labels)}`);
  is('owl_commands_total', { category: 'plot_task', sender: 'caller' }, 3);
  is('owl_commands_refused_total', { category: 'plot_task', kind: 'not_found' }, 1);
  is('owl_commands_refused_total', { category: 'plot_task', kind: 'internal' }, 0);
  is('owl_events_appended_total', { category: 'plot_task' }, 3);
  is('owl_append_conflicts_total', { category: 'plot_task' }, 0);
  is('owl_append_failures_total', { kind: 'unavailable' }, 0);
  is('owl_leases', { peer: 'supervisor' }, 1);
  is('owl_leases_taken_total', { peer: 'supervisor' }, 1);
  is('owl_leases_lost_total', { peer: 'supervisor' }, 0);
  is('owl_grpc_calls_total', { method: `/${PLOTS}/plot_task_create`, status: 'OK' }, 3);
  is('owl_grpc_calls_total', { method: `/${SEMAPHORES}/acquire`, status: 'NOT_FOUND' }, 1);
  is('owl_calls_denied_total', { kind: 'unauthenticated' }, 0);
  const states = told.get('owl_loop_state')?.samples.filter(({ value }) => value === 1);
  t.equal(states?.length, 1, 'a loop is in one state');
  is('owl_parked_events', { reader: 'plot_tasks', kind: 'projection' }, 0);
  is('owl_serving', {}, 1);
  is('semaphore_permits_held', {}, 1);
  is('owl_store_available', {}, 1);
  is('owl_timers_pending', {}, 1);
  const appended = numberOf(told, 'owl_append_duration_seconds_count') ?? 0;
  t.equal(numberOf(told, 'owl_store_flushed_appends_total'), appended, 'each append was flushed once');
  const flushes = numberOf(told, 'owl_store_flush_duration_seconds_count') ?? 0;
  t.ok(flushes > 0 && flushes <= appended, `${flushes} flushes of ${appended} appends`);
  for (const name of ['process_resident_memory_bytes', 'owl_data_directory_free_bytes', 'owl_live_actors'])
    t.ok((numberOf(told, name) ?? 0) > 0, name);
  t.ok((numberOf(told, 'owl_store_size_bytes', { file: 'database' }) ?? 0) > 0);
  await call(PLOTS, 'supervisor_detach', { worker_id: 'w-1', session_id: 's' });
  await until('the lease was given back', async () => {
    told = await scrape(t, node);
    return numberOf(told, 'owl_leases', { peer: 'supervisor' }) === 0;
  });
  t.same(node.log.messages('error'), []);
});

t.test('on EventStoreDB as well, without flushes; while it is away the page says so', async (t) => {
  const server = await startNode(t);
  const node = await startHttpNode(t, { systems: [talent], config: { store: server.connectionString } });
  await node.call(PLOTS, 'plot_task_create', orderFor('a'));
  let told = await scrape(t, node);
  const reaches = (name: string, value: number) =>
    until(`${name} is ${value}`, async () => {
      told = await scrape(t, node);
      return numberOf(told, name) === value;
    });
  await reaches('owl_append_duration_seconds_count', 1);
  t.equal(numberOf(told, 'owl_store_flush_duration_seconds_count'), 0);
  t.equal(numberOf(told, 'owl_store_available'), 1);
  t.equal(numberOf(told, 'owl_store_outages_total'), 0);
  t.ok((numberOf(told, 'owl_store_size_bytes', { file: 'database' }) ?? 0) > 0, 'of the read models');
  await server.stop();
  await reaches('owl_store_available', 0);
  t.equal(numberOf(told, 'owl_serving'), 0);
  t.equal(numberOf(told, 'owl_store_outages_total'), 1);
});

t.test('no label holds what a caller says', async (t) => {
  const node = await startHttpNode(t);
  const { call } = node;
  const said = 'said-by-a-caller';
  await call(PLOTS, 'supervisor_attach', { worker_id: said, session_id: said, host: said });
  await call(PLOTS, 'plot_task_create', orderFor(said, { worker_id: said }));
  await call(SEMAPHORES, 'create', { name: said, capacity: 1 });
  await call(SEMAPHORES, 'acquire', { name: said, holder: said });
  await node.ask('GET', `/${said}`);
  await call(PLOTS, 'plot_task_retry', { task_id: `${said}-2`, reason: said });
  const { text } = await node.ask('GET', '/metrics');
  t.match(text, 'owl_events_appended_total{category="semaphore"}');
  t.notMatch(text, said);
});

t.test(
  'readers and operators may read it, and on this machine anybody where nothing says otherwise',
  async (t) => {
    const required = await startHttpNode(t, { config: { access: 'required' } });
    const asked = (authorization: string | null) => required.ask('GET', '/metrics', { authorization });
    t.match(await asked(null), { status: 401, body: { detail: /role reader or operator/ } });
    for (const role of ['reader', 'operator', 'submitter', 'worker', 'reporter'] as const) {
      const token = await addAccess(required.data, { name: role, roles: [role] });
      const { status } = await asked(`Bearer ${token}`);
      t.equal(status, ['reader', 'operator'].includes(role) ? 200 : 403, role);
    }
    await until('the denials are counted', async () => {
      const { text } = await required.ask('GET', '/metrics');
      return numberOf(parseExposition(text), 'owl_calls_denied_total', { kind: 'forbidden' }) === 3;
    });
    t.match(await askAt(required.address, 'POST', '/metrics', { body: {} }), { status: 405 });
  },
);
