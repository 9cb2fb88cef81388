/** What the HTTP listener does not let anybody take from it, and how it stops. */

import { once } from 'node:events';
import t from 'tap';
import { OwlError } from '../../../../src/base/errors.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { until } from '../../../support/until.js';
import { askAt, startHttpNode } from './http-node.js';
import { ANSWER, FOLLOW, startOddServer } from './odd-server.js';
import { connected, gone, said } from './raw-socket.js';

t.test('what takes too long is answered, as one whose outcome is not known', async (t) => {
  const clock = new ManualClock();
  let asked = false;
  const { address } = await startOddServer(
    t,
    {
      answer: () => {
        asked = true;
        return new Promise(() => undefined);
      },
    },
    { clock },
  );
  const answer = askAt(address, 'GET', ANSWER);
  await until('it is under way', () => asked);
  clock.advance(30_000);
  t.match(await answer, {
    status: 503,
    headers: { 'retry-after': '2' },
    body: { kind: 'unavailable', retryable: true, detail: /may still be done: ask again with the same key/ },
  });
});

t.test('so many requests at once, and no more', async (t) => {
  let answer: () => void = () => undefined;
  let isAsked = false;
  const { address } = await startOddServer(
    t,
    {
      answer: () =>
        new Promise((resolve) => {
          answer = () => resolve({});
          isAsked = true;
        }),
    },
    { limits: { requests: 1 } },
  );
  const first = askAt(address, 'GET', ANSWER);
  await until('one is under way', () => isAsked);
  t.match(await askAt(address, 'GET', ANSWER), { status: 429, headers: { 'retry-after': '1' } });
  t.match(await askAt(address, 'GET', '/healthz'), { status: 200 }, 'who looks whether it lives is answered');
  answer();
  t.match(await first, { status: 200 });
  const next = askAt(address, 'GET', ANSWER);
  isAsked = false;
  await until('there is room again', () => isAsked);
  answer();
  t.match(await next, { status: 200 });
});

t.test('what is cut off gives back its place, also where it waited behind others', async (t) => {
  const clock = new ManualClock();
  const seen: AbortSignal[] = [];
  const { address } = await startOddServer(
    t,
    {
      answer: (_request, { over }) => {
        seen.push(over);
        // The second is answered, and waits behind the first.
        return seen.length === 2 ? Promise.resolve({}) : new Promise(() => undefined);
      },
    },
    { clock, limits: { requests: 3 } },
  );
  const socket = connected(t, address);
  socket.write(`GET ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\n\r\n`.repeat(3));
  await until('all are under way', () => seen.length === 3);
  t.match(await askAt(address, 'GET', ANSWER), { status: 429 });
  socket.resetAndDestroy();
  await until('each of them knows', () => seen.every((over) => over.aborted));
  const others = [1, 2, 3].map(() => askAt(address, 'GET', ANSWER).catch(() => undefined));
  await until('there is room for as many', () => seen.length === 6);
  t.equal(clock.pending, 6, 'nothing but the look at streams, and the time of what is carried out');
  clock.advance(30_000);
  t.match(await Promise.all(others), [{ status: 503 }, { status: 503 }, { status: 503 }]);
});

t.test('an answer that waits behind others is cut off in its time as well', async (t) => {
  const clock = new ManualClock();
  let asked = 0;
  const answer = () => {
    asked += 1;
    return asked === 1 ? new Promise<object>(() => undefined) : Promise.resolve({});
  };
  const { address } = await startOddServer(t, { answer }, { clock, limits: { answerWithinMs: 600_000 } });
  const socket = connected(t, address);
  socket.write(`GET ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\n\r\n`.repeat(2));
  await until('the second waits behind the first', () => clock.pending === 3 && asked === 2);
  clock.advance(60_000);
  await gone(socket);
});

t.test('so many requests wait on one connection, and who may not ask takes no place', async (t) => {
  let asked = 0;
  const answer = () => {
    asked += 1;
    return new Promise<object>(() => undefined);
  };
  let isKnown = true;
  const authorise = () => {
    if (!isKnown) throw new OwlError('unauthenticated', 'nobody');
    return { name: undefined, check: () => undefined };
  };
  const { address } = await startOddServer(t, { answer }, { authorise, limits: { requests: 65 } });
  const request = `GET ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\n\r\n`;
  const held = connected(t, address);
  held.write(request.repeat(64));
  await until('all are under way', () => asked === 64);
  isKnown = false;
  const denied = connected(t, address);
  denied.write(request.repeat(64));
  await once(denied, 'data');
  isKnown = true;
  held.write(request);
  await gone(held);
  t.equal(asked, 64, 'the one too many cuts the connection');
});

t.test('who takes too long to read an answer is cut off', async (t) => {
  const clock = new ManualClock();
  const permits = Array.from({ length: 40_000 }, () => ({ holder: 'x'.repeat(1_000) }));
  const { address } = await startOddServer(t, { answer: async () => ({ permits }) }, { clock });
  const socket = connected(t, address);
  socket.write(`GET ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  const closed = gone(socket);
  clock.advance(60_000);
  socket.resume();
  await closed;
  t.ok(socket.bytesRead < 40_000_000, `${socket.bytesRead} bytes were read`);
});

t.test('what never becomes a request is told so, in its time', async (t) => {
  const { address } = await startOddServer(t, {}, { limits: { sendWithinMs: 50 } });
  const cases: [sent: string, status: number][] = [
    ['nonsense\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nHost: ${address}\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['GET / HTTP/1.1\r\nHos', 408],
    [
      `POST ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
      408,
    ],
  ];
  for (const [sent, status] of cases) {
    const text = await said(t, address, sent);
    t.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), sent.slice(0, 30));
    t.match(text, /application\/problem\+json/);
  }
});

t.test(
  'one that says nothing is closed, and where all places are taken the eldest of nobody gives way',
  async (t) => {
    const quiet = await startOddServer(t, {}, { limits: { quietMs: 20 } });
    const silent = connected(t, quiet.address);
    await once(silent, 'close');

    const full = await startOddServer(t, {}, { limits: { most: 1 } });
    const eldest = connected(t, full.address);
    await once(eldest, 'connect');
    const closed = once(eldest, 'close');
    t.match(await askAt(full.address, 'GET', '/healthz'), { status: 200 });
    await closed;
  },
);

t.test('stopping is bounded, whatever is connected', async (t) => {
  let asked = 0;
  const server = await startOddServer(t, {
    answer: () => {
      asked += 1;
      return new Promise(() => undefined);
    },
    follow: async function* (_request, { over }) {
      yield {};
      asked += 1;
      await once(over, 'abort');
    },
  });
  const { address } = server;
  const silent = connected(t, address);
  const half = connected(t, address);
  half.write(`POST ${ANSWER} HTTP/1.1\r\nHost: ${address}\r\nContent-Le`);
  const hanging = askAt(address, 'GET', ANSWER);
  const stream = askAt(address, 'GET', FOLLOW);
  await until('both are under way', () => asked === 2);
  const cut = [silent, half].map(gone);
  const stopped = server.stop(100);
  t.match(await stream, { status: 200 }, 'a stream ends in order');
  await t.rejects(hanging, { code: 'ECONNRESET' }, 'what does not end is cut off');
  await Promise.all([stopped, ...cut]);
  await t.rejects(askAt(address, 'GET', '/healthz'), { code: 'ECONNREFUSED' });
});

t.test('a connection that is kept, or was made in advance, holds nothing up', async (t) => {
  let answer: () => void = () => undefined;
  let isAsked = false;
  const server = await startOddServer(t, {
    answer: () =>
      new Promise((resolve) => {
        answer = () => resolve({});
        isAsked = true;
      }),
    follow: async function* (_request, { over }) {
      yield {};
      await once(over, 'abort');
    },
  });
  const { address } = server;
  const kept = [ANSWER, FOLLOW].map((path) => {
    const socket = connected(t, address);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${address}\r\nConnection: keep-alive\r\n\r\n`);
    socket.resume();
    return gone(socket);
  });
  const silent = connected(t, address);
  await once(silent, 'connect');
  kept.push(gone(silent));
  await until('it is under way', () => isAsked);
  // Longer than any test: what would have to be cut off would hang it.
  const stopped = server.stop(600_000);
  answer();
  await Promise.all([stopped, ...kept]);
});

t.test('an address that is taken is said, and the node does not start', async (t) => {
  const { address } = await startHttpNode(t);
  await t.rejects(startHttpNode(t, { data: `${t.testdirName}/other`, config: { http_listen: address } }), {
    kind: 'refused',
    message: new RegExp(
      `can't listen on ${address}: it is in use by another process; choose another address$`,
    ),
  });
});
