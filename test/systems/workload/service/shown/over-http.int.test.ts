/** What HTTP has of its own: bodies that are lists, statuses, lines, logs as bytes with ranges, and the document that says so. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { z } from 'zod';
import { until } from '../../../../support/until.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { startWorkload } from '../../support/workload-node.js';

const Registered = z.object({ datasets: z.array(z.object({ uid: z.string(), name: z.string() })) });

t.test('datasets are registered by one object, a list, or a list with its name', async (t) => {
  const { http } = await startWorkload(t);
  const post = (body: unknown, headers = {}) => http('POST', '/datasets', { body, headers });
  for (const [body, names] of [
    [{ name: 'a' }, ['a']],
    [
      [{ name: 'b' }, { name: 'c' }],
      ['b', 'c'],
    ],
    [{ datasets: [{ name: 'd' }] }, ['d']],
  ] as const) {
    const answer = await post(body);
    t.equal(answer.status, 201);
    t.same(
      Registered.parse(answer.body).datasets.map(({ name }) => name),
      names,
    );
  }
  const key = { 'idempotency-key': 'once' };
  const first = await post({ name: 'e' }, key);
  t.match(await post([{ name: 'e' }], key), { status: 201, headers: { 'idempotent-replay': 'true' } });
  t.match(await post({ name: 'f' }, key), { status: 409, body: { kind: 'exists' } });
  t.equal(Registered.parse(first.body).datasets.length, 1);

  t.match(await post({ nmae: 'x' }), {
    status: 422,
    body: {
      problems: [
        { field: 'datasets.0.name', rule: 'is missing' },
        { field: 'datasets.0.nmae', rule: 'is no field of this request; did you mean name?' },
      ],
    },
  });
  t.match(await post([]), { status: 422, body: { field: 'datasets', rule: 'is missing' } });
  t.match(await post('"a"'), {
    status: 422,
    body: { field: 'body', rule: 'must be an object, or a list of them' },
  });
  t.match(await post([{ name: 'x' }, 7]), { status: 422, body: { field: 'datasets' } });
  t.match(await post(Array.from({ length: 1001 }, (_, i) => ({ name: `n${i}` }))), {
    status: 422,
    body: { rule: 'must be at most 1000 datasets' },
  });
});

t.test('files are taken by ?scan=true as well', async (t) => {
  const { http, data } = await startWorkload(t);
  const storage = join(data, '..', 'storage');
  mkdirSync(storage, { recursive: true });
  for (const name of ['a', 'b']) writeFileSync(join(storage, name), name);
  const made = await http('POST', '/datasets', {
    body: { name: 'n', storage_url: pathToFileURL(storage).href },
  });
  const uid = Registered.parse(made.body).datasets[0]?.uid ?? '';
  const files = `/datasets/${uid}/files`;
  const wrong = [
    [`${files}?scan=true`, { files: [{ file_name: 'c' }] }, 'files'],
    [`${files}?scan=perhaps`, {}, 'scan'],
    [files, { scan: true }, 'scan'],
    [`${files}?force=true`, {}, 'force'],
    [`${files}?uid=${uid}`, {}, 'uid'],
  ] as const;
  for (const [path, body, field] of wrong)
    t.match(await http('POST', path, { body }), { status: 422, body: { field } }, path);
  t.match(await http('POST', `${files}?scan=true`, { body: {} }), {
    status: 201,
    body: { added: 2, files: 2 },
  });
  t.match(await http('POST', `/datasets/${uid}/close`, { body: {} }), {
    ...{ status: 200, body: { files: 2, status: 'closed' } },
  });
  t.match(await http('POST', `/datasets/${uid}/close`, { body: {} }), { status: 200 }, 'again');
  t.match(await http('POST', `/datasets/${uid}/verify`, { body: {} }), {
    status: 202,
    body: { looked_at: 2 },
  });
});

t.test('a history comes as lines where they are asked for', async (t) => {
  const { http } = await startWorkload(t);
  await http('POST', '/datasets', { body: { name: 'n' } });
  await http('POST', '/datasets', { body: { name: 'o' } });
  const accept = { accept: 'application/x-ndjson' };
  const { status, headers, text } = await http('GET', '/datasets/1/history', { headers: accept });
  t.match({ status, type: headers['content-type'] }, { status: 200, type: /^application\/x-ndjson/ });
  const lines = text.split('\n').filter((line) => line !== '');
  t.match(
    lines.map((line) => JSON.parse(line)),
    [{ type: 'DatasetRegistered', revision: 0 }],
  );
  t.match(await http('GET', '/datasets/9/history', { headers: accept }), {
    status: 404,
    body: { reason: 'dataset_not_found', detail: 'there is no dataset 9; the newest are 2 (o), 1 (n)' },
  });
  const events = await http('GET', '/datasets/1/history');
  t.match(events, { headers: { 'content-type': /^text\/event-stream/ }, text: /^data: / });
});

t.test('a log is its bytes, in pieces and as a whole; and JSON where that is asked for', async (t) => {
  const node = await startWorkload(t);
  const out = join(node.data, '..', 'out');
  mkdirSync(join(out, 'j1'), { recursive: true });
  const printed = '<b>printed</b>\n';
  writeFileSync(join(out, 'j1/a.j0.a1.log'), printed);
  const pilot = await startPilot(t, node);
  await node.createJob('j1', { data_out_url: pathToFileURL(out).href });
  await pilot.failed(await pilot.take('j1'), 'args_invalid');
  pilot.close();
  const read = (query: string, headers: Readonly<Record<string, string>> = {}) =>
    node.http('GET', `/jobs/1/log${query}`, { headers });
  await until('its pilot is gone, and the log is read', async () => (await read('')).status === 200);
  const whole = await read('');
  t.match(whole, {
    text: printed,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
    },
  });
  t.notOk('content-range' in whole.headers);
  const piece = (query: string, range: string | undefined, text: string, where: string) =>
    read(query, range === undefined ? {} : { range }).then((answer) =>
      t.match(answer, { status: 206, text, headers: { 'content-range': where } }, `${query} ${range}`),
    );
  const size = printed.length;
  await piece('?offset=3&length=7', undefined, 'printed', `bytes 3-9/${size}`);
  await piece('?offset=-5', undefined, printed.slice(-5), `bytes ${size - 5}-${size - 1}/${size}`);
  await piece('', 'bytes=3-9', 'printed', `bytes 3-9/${size}`);
  await piece('', 'bytes=3-', printed.slice(3), `bytes 3-${size - 1}/${size}`);
  await piece('', 'bytes=-5', printed.slice(-5), `bytes ${size - 5}-${size - 1}/${size}`);
  await piece('', 'bytes=0-999', printed, `bytes 0-${size - 1}/${size}`);
  for (const range of ['bytes=99-', 'bytes=-0'])
    t.match(await read('', { range }), {
      status: 416,
      headers: { 'content-range': `bytes */${size}` },
      body: { detail: `nothing of it lies in that range; it has ${size} bytes by now` },
    });
  for (const range of ['lines=1-2', 'bytes=1-2,4-5', 'bytes=5-3', 'bytes=-'])
    t.match(await read('', { range }), { status: 422, body: { field: 'Range' } }, range);
  t.match(await read('?offset=1', { range: 'bytes=1-2' }), { status: 422, body: { field: 'offset' } });
  t.match(await read('?offset=3&length=7', { accept: 'application/json' }), {
    status: 200,
    body: { content: Buffer.from('printed').toString('base64'), offset: 3, size, complete: true, attempt: 1 },
  });
  t.match(await node.http('GET', '/jobs/7/log'), { status: 404, body: { reason: 'job_not_found' } });
});

t.test('the document says so', async (t) => {
  const node = await startWorkload(t);
  const document = z
    .object({ paths: z.record(z.string(), z.record(z.string(), z.looseObject({}))) })
    .parse(JSON.parse(await node.get('/openapi.json')));
  const at = (path: string, method: string) => document.paths[`/api/v1/workload${path}`]?.[method];
  t.match(at('/datasets', 'post'), {
    requestBody: { content: { 'application/json': { schema: { anyOf: Array } } } },
    responses: { 201: {} },
  });
  t.match(at('/datasets/{uid}/files', 'post'), { parameters: [{ in: 'query', name: 'scan' }, {}, {}] });
  t.match(at('/tasks/{id}/cancel', 'post'), { responses: { 202: {} } });
  t.match(at('/datasets/{uid}/close', 'post'), {
    responses: { 200: { description: /status is closed/ }, 202: {} },
  });
  t.match(at('/datasets/{uid}/verify', 'post'), { responses: { 202: {} } });
  t.match(at('/tasks/{id}/hold', 'post'), { responses: { 200: {} } });
  t.match(at('/tasks/{id}', 'patch'), { responses: { 200: {} } });
  t.match(at('/jobs/{id}/log', 'get'), {
    responses: { 200: { content: { 'text/plain; charset=utf-8': {} } }, 206: {} },
  });
  t.match(at('/tasks/{id}/history', 'get'), {
    responses: { 200: { content: { 'application/x-ndjson': {} } } },
  });
});
