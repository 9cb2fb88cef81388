/** What node:http would answer by itself, with a status and nothing else, is told as a problem like everything else. */

import { once } from 'node:events';
import t, { type Test } from 'tap';
import { ManualClock } from '../../../support/manual-clock.js';
import { until } from '../../../support/until.js';
import { askAt } from './http-node.js';
import { ANSWER, startOddServer } from './odd-server.js';
import { connected, gone, said } from './raw-socket.js';

/** The body of an answer, which is a problem with the headers of every answer. */
function problemIn(t: Test, text: string, status: number, what: string): unknown {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  t.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), what);
  t.match(head, /content-type: application\/problem\+json/i, what);
  t.match(head, /x-content-type-options: nosniff/i, what);
  return JSON.parse(body);
}

t.test('a request that nobody could answer is told why', async (t) => {
  const { address } = await startOddServer(t, {});
  const host = `Host: ${address}\r\n`;
  const close = 'Connection: close\r\n';
  const cases: [sent: string, status: number, detail: RegExp][] = [
    [`GET /healthz HTTP/1.1\r\n${close}\r\n`, 400, /names its host once/],
    [`GET /healthz HTTP/1.0\r\n\r\n`, 400, /names its host once/],
    [`GET /healthz HTTP/1.1\r\n${host}${close}Expect: tea\r\n\r\n`, 417, /not "tea"/],
    [`POST ${ANSWER} HTTP/1.1\r\n${host}Expect: tea\r\nContent-Length: 9\r\n\r\n`, 417, /not "tea"/],
    [`GET /healthz HTTP/1.0\r\n${host}Expect: tea\r\n\r\n`, 417, /not "tea"/],
    [`CONNECT example.org:443 HTTP/1.1\r\n${host}\r\n`, 400, /no proxy/],
    [`GET http://${address}/healthz HTTP/1.1\r\n${host}${close}\r\n`, 400, /begins its address with/],
    [`BREW /healthz HTTP/1.1\r\n${host}\r\n`, 400, /no request of HTTP/],
    [`PROPFIND /healthz HTTP/1.1\r\n${host}${close}\r\n`, 405, /there is GET$/],
    [`TRACE /healthz HTTP/1.1\r\n${host}${close}\r\n`, 405, /there is GET$/],
    [`OPTIONS * HTTP/1.1\r\n${host}${close}\r\n`, 400, /begins its address with/],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, /no request of HTTP/],
    [`GET ${ANSWER} HTTP/1.1\r\n${host}${close}Content-Length: 2\r\n\r\n{}`, 400, /a body of GET/],
    [
      `POST ${ANSWER} HTTP/1.1\r\n${host}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}\r\n`,
      413,
      /beside its content/,
    ],
  ];
  for (const [sent, status, detail] of cases)
    t.match(problemIn(t, await said(t, address, sent), status, sent.slice(0, 60)), { status, detail });
  const upgrade = `GET /healthz HTTP/1.1\r\n${host}Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`;
  t.match(
    await said(t, address, upgrade),
    /^HTTP\/1\.1 200 /,
    'who asks for another protocol is answered in this one',
  );
});

t.test('what is no request is not taken for the answer to one before it', async (t) => {
  let asked = 0;
  const { address } = await startOddServer(t, {
    answer: () => {
      asked += 1;
      return new Promise(() => undefined);
    },
  });
  const request = `GET ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\n\r\n`;
  for (const behind of ['nonsense\r\n\r\n', 'CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n']) {
    asked = 0;
    const socket = connected(t, address);
    const told: Buffer[] = [];
    socket.on('data', (chunk) => told.push(chunk));
    socket.write(request);
    await until('it is under way', () => asked === 1);
    socket.write(behind);
    await gone(socket);
    t.equal(Buffer.concat(told).toString(), '', behind.slice(0, 8));
  }
});

t.test('a body is invited only where it is read', async (t) => {
  const { address } = await startOddServer(t, {});
  const post = (length: number, type = 'application/json') =>
    `POST ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\nExpect: 100-continue\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;
  // There is no such route: the body is dropped, if it comes.
  const cases: [sent: string, status: number][] = [
    [post(9, 'text/plain'), 415],
    [post(2 * 1024 * 1024), 413],
  ];
  for (const [sent, status] of cases) problemIn(t, await said(t, address, sent), status, sent.slice(-60));
});

t.test(
  'who is answered before all of his request has come is read on for a moment, and no longer',
  async (t) => {
    const clock = new ManualClock();
    const { address } = await startOddServer(t, {}, { clock });
    const socket = connected(t, address);
    socket.write(
      `POST ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nbegun`,
    );
    const [told] = await once(socket, 'data');
    t.match(String(told), /^HTTP\/1\.1 415 /);
    t.notOk(socket.closed);
    const closed = gone(socket);
    clock.advance(2_000);
    await closed;
    t.match(await askAt(address, 'GET', '/healthz'), { status: 200 });
  },
);
