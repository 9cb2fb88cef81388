/** Bodies: how large they may be, when one is read at all, and how many large ones there are at once. */

import { once } from 'node:events';
import t, { type Test } from 'tap';
import { id, request, text, whole } from '../../../../src/node/operations/fields.js';
import { answered } from '../../../../src/node/operations/operation.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { until } from '../../../support/until.js';
import { createSemaphore } from '../../../systems/semaphore/service/semaphore-operations.js';
import { askAt } from './http-node.js';
import { ODD_SYSTEM, startOddServer } from './odd-server.js';
import { connected, gone, said } from './raw-socket.js';

const MEBIBYTE = 1024 * 1024;
const THINGS = '/api/v1/odd/things';
const JSON_BODY = 'Content-Type: application/json\r\n';

/** A route that takes so much. `asked` are the lengths of the names that it was given. */
async function start(t: Test, bodyBytes: number | undefined, clock?: ManualClock) {
  const asked: number[] = [];
  const declared = {
    ...createSemaphore,
    http: { method: 'POST', path: '/things', ...(bodyBytes === undefined ? {} : { bodyBytes }) },
    request: request({
      name: text().optional(),
      capacity: whole(1, 10).optional(),
      command_id: id().optional(),
    }),
  } as const;
  const operations = [
    answered(declared, async ({ name = '' }) => {
      asked.push(name.length);
      return {};
    }),
  ];
  const systems = [{ ...ODD_SYSTEM, operations }];
  const { address } = await startOddServer(t, {}, { systems, ...(clock === undefined ? {} : { clock }) });
  return { address, asked, head: `POST ${THINGS} HTTP/1.1\r\nHost: ${address}\r\n${JSON_BODY}` };
}

/** A body of so many bytes. */
function bodyOf(bytes: number): string {
  return JSON.stringify({ name: 'x'.repeat(bytes - '{"name":""}'.length) });
}

t.test('a body has 1 MiB, or what its route says up to 16, to the byte', async (t) => {
  for (const [declared, bytes] of [
    [undefined, MEBIBYTE],
    [16 * MEBIBYTE, 16 * MEBIBYTE],
  ] as const) {
    const { address, asked } = await start(t, declared);
    t.match(await askAt(address, 'POST', THINGS, { body: bodyOf(bytes) }), { status: 200 });
    t.match(await askAt(address, 'POST', THINGS, { body: bodyOf(bytes + 1) }), {
      status: 413,
      body: { kind: 'invalid', detail: /larger than this route takes/, retryable: false },
    });
    t.same(asked, [bytes - '{"name":""}'.length]);
  }
});

t.test('one without an end is refused while it comes, and cut off', async (t) => {
  const clock = new ManualClock();
  const { address, asked, head } = await start(t, 2 * MEBIBYTE, clock);
  const socket = connected(t, address);
  let told = '';
  socket.on('data', (chunk) => {
    told += String(chunk);
  });
  socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  const closed = gone(socket);
  await until('it is refused', async () => {
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'data')]);
    return told !== '';
  });
  t.match(told, /^HTTP\/1\.1 413 [\s\S]*application\/problem\+json/);
  clock.advance(2_000);
  await closed;
  t.same(asked, []);
});

t.test('who asks whether to send it is invited where it is read, and only there', async (t) => {
  const { address, asked, head } = await start(t, undefined);
  const expecting = `${head}Connection: close\r\nExpect: 100-continue\r\n`;
  const invited = connected(t, address);
  let told = '';
  invited.on('data', (chunk) => {
    told += String(chunk);
  });
  invited.write(`${expecting}Content-Length: 2\r\n\r\n`);
  await until('it is invited', () => told === 'HTTP/1.1 100 Continue\r\n\r\n');
  invited.write('{}');
  await gone(invited);
  t.match(told, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  t.match(await said(t, address, `${expecting}Content-Length: ${2 * MEBIBYTE}\r\n\r\n`), /^HTTP\/1\.1 413 /);
  t.same(asked, [0]);
});

t.test('so many large ones at once, of which nothing is read before', async (t) => {
  const { address, head } = await start(t, 16 * MEBIBYTE);
  const begun = `${head}Expect: 100-continue\r\nContent-Length: ${2 * MEBIBYTE}\r\n\r\n`;
  const held = Array.from({ length: 8 }, () => connected(t, address));
  for (const socket of held) socket.write(begun);
  for (const socket of held) t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 100 /);
  const large = { body: bodyOf(2 * MEBIBYTE) };
  t.match(await askAt(address, 'POST', THINGS, large), {
    status: 429,
    headers: { 'retry-after': '1' },
    body: { kind: 'retryable', detail: /^8 bodies of more than 1 MiB/ },
  });
  t.match(await askAt(address, 'POST', THINGS, { body: {} }), { status: 200 }, 'small ones go on');
  for (const socket of held) socket.destroy();
  await until(
    'there is room again',
    async () => (await askAt(address, 'POST', THINGS, large)).status === 200,
  );
});

t.test('a key is there once in each object, however it is written', async (t) => {
  const { address, asked } = await start(t, undefined);
  const post = (body: string) => askAt(address, 'POST', THINGS, { body });
  for (const [body, at] of [
    ['{"name":"k","name":"k2"}', 12],
    ['{"name":"k","\\u006eame":"k2"}', 12],
    ['{"name":"a:b\\"{","capacity":1,"name":"k"}', 30],
    ['{"x":{"a":1,"b":[{"a":2}],"a":3}}', 26],
  ] as const)
    t.match(
      await post(body),
      { status: 400, body: { kind: 'invalid', detail: new RegExp(`twice in one object, at byte ${at}$`) } },
      body,
    );
  t.match(await post('{"name":"name","capacity":1}'), { status: 200 }, 'a value is no key');
  t.match(await post('{"x":[{"a":1},{"a":1}]}'), { status: 422, body: { field: 'x' } });
  t.match(await post('{"na\\qme":1}'), { status: 400, body: { detail: /can not be read as JSON/ } });
  t.match(await post('{"name'), { status: 400, body: { detail: /can not be read as JSON/ } });
  t.same(asked, [4]);
});
