/** Streams over HTTP: going on behind what was read, how little is held for who does not read, and how they end. */

import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import t, { type Test } from 'tap';
import { OwlError } from '../../../../src/base/errors.js';
import { addAccess, revokeAccess } from '../../../../src/node/access/access-file.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { orderFor } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';
import { askAt, eventsIn, type ServerSentEvent, startHttpNode } from './http-node.js';
import { FOLLOW, startOddServer } from './odd-server.js';

const EVENTS = '/api/v1/semaphore/events';

t.test('who was cut off goes on exactly behind the last id that it was given', async (t) => {
  const { call, ask, follow } = await startHttpNode(t);
  const create = (name: string) => call('semaphore.Semaphores', 'create', { name, capacity: 1 });
  const isCaughtUp = ({ data }: ServerSentEvent) => JSON.stringify(data).includes('"caught_up":true');
  await create('one');
  const first = await follow(EVENTS, isCaughtUp);
  const last = first.findLast(({ id }) => id !== undefined)?.id ?? '';
  t.match(JSON.stringify(first), /"semaphore":"one"/);
  await create('two');
  const rest = await follow(EVENTS, isCaughtUp, { 'last-event-id': last });
  t.match(JSON.stringify(rest), /"semaphore":"two"/);
  t.notMatch(JSON.stringify(rest), /"semaphore":"one"/);
  const wrong = await ask('GET', EVENTS, { headers: { 'last-event-id': 'x' } });
  t.match(wrong, { status: 422, body: { kind: 'invalid', field: 'after' } });
  const twice = await ask('GET', `${EVENTS}?after=${last}`, {
    headers: { 'last-event-id': last },
  });
  t.match(twice, { status: 422, body: { field: 'after' } });
});

t.test('a history that was read to its end is told not to be asked for again', async (t) => {
  const { call, ask } = await startHttpNode(t);
  await call('talent.PlotManager', 'plot_task_create', orderFor('a'));
  await call('talent.PlotManager', 'plot_task_stop', { task_id: 'a' });
  const path = '/api/v1/talent/plot-tasks/a/history';
  const whole = await ask('GET', path);
  t.match(whole.headers, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  const events = eventsIn(whole.text);
  t.same(
    events.map(({ id }) => id),
    ['0', '1'],
  );
  const rest = await ask('GET', path, { headers: { 'last-event-id': '0' } });
  t.same(eventsIn(rest.text), events.slice(1));
  t.match(await ask('GET', path, { headers: { 'last-event-id': '1' } }), { status: 204, text: '' });
  t.match(await ask('GET', path, { headers: { 'last-event-id': '-1' } }), { status: 422 });
  t.match(await ask('GET', '/api/v1/talent/plot-tasks/nobody/history'), {
    status: 404,
    body: { kind: 'not_found' },
  });
});

t.test('who does not read has little kept for it, and is cut off', async (t) => {
  const clock = new ManualClock();
  let given = 0;
  let ended = false;
  const cursor = 'x'.repeat(256 * 1024);
  const { address } = await startOddServer(
    t,
    {
      follow: async function* () {
        try {
          for (;;) {
            given += 1;
            yield { cursor };
          }
        } finally {
          ended = true;
        }
      },
    },
    { clock, limits: { readWithinMs: 5_000 } },
  );
  const standing = clock.pending;
  const response = await opened(t, address);
  response.pause();
  // What the two sockets take, and nothing beyond: then it waits for the reader, for so long.
  await until('it waits for the reader', () => clock.pending === standing + 2);
  const held = given;
  t.ok(held < 200, `${held} of 256 KiB`);
  response.on('error', () => undefined);
  const closed = new Promise((resolve) => {
    response.once('close', resolve);
  });
  clock.advance(5_000);
  response.resume();
  await closed;
  await until('it is given up', () => ended);
  t.ok(given <= held + 1);
});

t.test('one with nothing to say says so', async (t) => {
  const clock = new ManualClock();
  const { address } = await startOddServer(
    t,
    {
      follow: async function* (_request, { over }) {
        yield { caught_up: true };
        await once(over, 'abort');
      },
    },
    { clock },
  );
  const response = await opened(t, address);
  let text = '';
  response.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await until('the first answer', () => text.includes('data: '));
  clock.advance(15_000);
  await until('a sign of life', () => text.includes(': still here\n\n'));
});

t.test('what goes wrong behind the first answer ends the stream as an event', async (t) => {
  const { address } = await startOddServer(t, {
    follow: async function* ({ name = '' }) {
      yield { cursor: 'c' };
      if (name === 'known') throw new OwlError('refused', 'this cursor is none to go on from');
      throw new TypeError('inner workings');
    },
  });
  const known = eventsIn((await askAt(address, 'GET', `${FOLLOW}?name=known`)).text);
  t.match(known, [
    { id: 'c' },
    { event: 'problem', data: { status: 409, kind: 'refused', detail: /none to go on/ } },
  ]);
  const fault = await askAt(address, 'GET', FOLLOW);
  t.match(eventsIn(fault.text), [{}, { event: 'problem', data: { status: 500, kind: 'internal' } }]);
  t.notMatch(fault.text, /inner workings/);
});

t.test('who is taken back is told nothing more, be the stream quiet or not', async (t) => {
  const { ask, data, call } = await startHttpNode(t);
  const token = await addAccess(data, { name: 'auditor', roles: ['reader'] });
  const told = ask('GET', EVENTS, { authorization: `Bearer ${token}` });
  await call('semaphore.Semaphores', 'create', { name: 'before', capacity: 1 });
  await revokeAccess(data, 'auditor');
  const { text } = await told;
  await call('semaphore.Semaphores', 'create', { name: 'after', capacity: 1 });
  const last = eventsIn(text).at(-1);
  t.match(last, {
    event: 'problem',
    data: { status: 401, kind: 'unauthenticated', detail: /was taken back/ },
  });
});

t.test('nothing is told once a check fails', async (t) => {
  let isKnown = true;
  const more = new AbortController();
  const check = () => {
    if (!isKnown) throw new OwlError('unauthenticated', 'it was taken back');
  };
  const { address } = await startOddServer(
    t,
    {
      follow: async function* () {
        yield { cursor: 'a' };
        await once(more.signal, 'abort');
        yield { cursor: 'b' };
      },
    },
    { authorise: () => ({ name: 'a', check }), clock: new ManualClock() },
  );
  const response = await opened(t, address);
  let text = '';
  response.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await until('the first answer', () => text.includes('"cursor":"a"'));
  isKnown = false;
  more.abort();
  await once(response, 'end');
  t.notMatch(text, /"cursor":"b"/);
  t.match(text, /event: problem\n.*"kind":"unauthenticated"/);
});

t.test('there are so many at once, and no more', async (t) => {
  const { address } = await startOddServer(
    t,
    {
      follow: async function* (_request, { over }) {
        yield {};
        await once(over, 'abort');
      },
    },
    { limits: { streams: 2 } },
  );
  const two = [await opened(t, address), await opened(t, address)];
  t.match(await askAt(address, 'GET', FOLLOW), {
    status: 429,
    headers: { 'retry-after': '1' },
    body: { kind: 'retryable', retryable: true },
  });
  two[0]?.destroy();
  await until('one that has ended makes room', async () => (await opened(t, address)).statusCode === 200);
});

async function opened(t: Test, address: string): Promise<IncomingMessage> {
  const sent = get(`http://${address}${FOLLOW}`, { agent: false });
  sent.on('error', () => undefined);
  t.teardown(() => sent.destroy());
  const [response] = await once(sent, 'response');
  return response;
}

t.test('one that does not hear of its end holds nothing up', async (t) => {
  let asked = 0;
  const { address } = await startOddServer(
    t,
    {
      follow: async function* () {
        asked += 1;
        await new Promise(() => undefined);
        yield {};
      },
    },
    { limits: { streams: 1 } },
  );
  const begin = () => {
    const sent = get(`http://${address}${FOLLOW}`, { agent: false }, (response) => response.resume());
    sent.on('error', () => undefined);
    t.teardown(() => sent.destroy());
    return sent;
  };
  const first = begin();
  await until('it is under way', () => asked === 1);
  t.match(await askAt(address, 'GET', FOLLOW), { status: 429 });
  first.destroy();
  await until('there is room for another', () => {
    begin();
    return asked > 1;
  });
});
