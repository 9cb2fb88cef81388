/** What a node serves is counted: by declared names alone, and from 0 on, so that the first of anything is seen as an increase. */

import { once } from 'node:events';
import t from 'tap';
import { addAccess } from '../../../src/node/access/access-file.js';
import { orderFor } from '../../support/talent-node.js';
import { until } from '../../support/until.js';
import { type HttpNode, startHttpNode } from '../serving/http/http-node.js';
import { connected, said } from '../serving/http/raw-socket.js';
import { type Family, numberOf, parseExposition } from './exposition.js';

const PLOTS = 'talent.PlotManager';
const SEMAPHORES = 'semaphore.Semaphores';
const TASKS = '/api/v1/talent/plot-tasks';

type Told = ReadonlyMap<string, Family>;

async function scrape({ ask }: HttpNode): Promise<Told> {
  return parseExposition((await ask('GET', '/metrics')).text);
}

function series(told: Told): string[] {
  return [...told.values()]
    .filter(({ type }) => type === 'counter')
    .flatMap(({ name, samples }) => samples.map(({ labels }) => `${name} ${JSON.stringify(labels)}`))
    .sort();
}

async function reaches(node: HttpNode, what: string, isSo: (told: Told) => boolean): Promise<Told> {
  let told = await scrape(node);
  await until(what, async () => {
    told = await scrape(node);
    return isSo(told);
  });
  return told;
}

const requests = (told: Told, route: string, method: string, status: string) =>
  numberOf(told, 'owl_http_requests_total', { route, method, status });

t.test('every counter is there before there is anything to count, and no other comes', async (t) => {
  const node = await startHttpNode(t, { config: { 'semaphore.notify_url': 'http://127.0.0.1:9/' } });
  const { ask, call } = node;
  const before = await scrape(node);
  for (const { name, type, samples } of before.values())
    if (type === 'counter') t.ok(samples.length > 0, `${name} is told`);
  t.equal(numberOf(before, 'owl_events_applied_total', { projection: 'plot_tasks' }), 0);
  t.equal(numberOf(before, 'owl_leases_taken_total', { peer: 'supervisor' }), 0);
  const created = { method: `/${PLOTS}/plot_task_create`, status: 'OK' };
  t.equal(numberOf(before, 'owl_grpc_calls_total', created), 0);
  t.equal(requests(before, `${TASKS}/{task_id}/retry`, 'POST', '4xx'), 0);

  await call(PLOTS, 'supervisor_attach', { worker_id: 'w', session_id: 's' });
  await call(PLOTS, 'plot_task_create', orderFor('a', { worker_id: 'w' }));
  await call(PLOTS, 'plot_task_fail', { task_id: 'a' });
  await t.rejects(call(SEMAPHORES, 'acquire', { name: 'none', holder: 'h' }), { code: 5 });
  await call(SEMAPHORES, 'create', { name: 'gpu', capacity: 1 });
  await call(SEMAPHORES, 'acquire', { name: 'gpu', holder: 'h' });
  await ask('POST', `${TASKS}/a/retry`, { body: {}, authorization: null });
  await ask('POST', `${TASKS}/a/retry`, { body: { colour: 'red' } });
  const token = await addAccess(node.data, { name: 'overlord', roles: ['submitter'] });
  const denied = await ask('POST', `${TASKS}/a/fail`, { body: {}, authorization: `Bearer ${token}` });
  t.equal(denied.status, 403);
  const after = await reaches(node, 'the loop has failed, and the denial is stored', (told) => {
    const failures = numberOf(told, 'owl_loop_failures_total', { loop: 'tells-holders' }) ?? 0;
    return failures > 0 && numberOf(told, 'owl_events_appended_total', { category: 'owl_caller' }) === 1;
  });
  t.equal(numberOf(after, 'owl_grpc_calls_total', created), 1);
  t.equal(requests(after, `${TASKS}/{task_id}/retry`, 'POST', '4xx'), 2);
  t.same(series(after), series(before));
});

t.test('requests, streams and connections are counted, whatever is asked for', async (t) => {
  const node = await startHttpNode(t);
  const { ask, address } = node;
  await node.call(PLOTS, 'plot_task_create', orderFor('a'));
  const open = connected(t, address);
  open.write(`GET ${TASKS}/watch HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
  await once(open, 'data');
  await ask('GET', '/said-by-a-caller');
  await ask('PATCH', '/said-by-a-caller', { body: {} });
  await ask('GET', `${TASKS}/%zz/history`);
  await said(t, address, 'nonsense\r\n\r\n');
  await said(t, address, `CONNECT said:1 HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
  await ask('GET', `${TASKS}?page_size=1`);
  const told = await reaches(node, 'all are counted', (now) => requests(now, 'other', 'other', '4xx') === 5);
  t.equal(requests(told, TASKS, 'GET', '2xx'), 1);
  t.equal(numberOf(told, 'owl_http_streams'), 1);
  t.ok((numberOf(told, 'owl_connections', { listener: 'http' }) ?? 0) >= 2, 'the stream and this scrape');
  t.equal(numberOf(told, 'owl_connections', { listener: 'grpc' }), 1, 'the call before');
  const timed = numberOf(told, 'owl_http_request_duration_seconds_count') ?? 0;
  t.ok(timed >= 3, `${timed} of them`);
  open.destroy();
  const ended = await reaches(node, 'the stream has ended', (now) => numberOf(now, 'owl_http_streams') === 0);
  t.equal(requests(ended, `${TASKS}/watch`, 'GET', '2xx'), 1);
  const { text } = await ask('GET', '/metrics');
  t.notMatch(text, 'said');
});
