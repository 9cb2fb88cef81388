/** Calls over real unix sockets: answers, errors, and peers that do not behave. */

import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OwlError } from '../../src/base/errors.js';
import { connectLocally, type LocalPeer, listenLocally } from '../../src/processes/local-calls.js';
import { openSocketPath } from '../../src/processes/socket-path.js';

async function serve(
  t: Test,
  path = join(t.testdir(), 'socket'),
): Promise<{ path: string; peers: LocalPeer[] }> {
  const peers: LocalPeer[] = [];
  const server = await listenLocally(
    path,
    async (method, params) => {
      if (method === 'echo') return params;
      if (method === 'never') return await new Promise(() => undefined);
      if (method === 'nothing') return undefined;
      throw new OwlError('refused', `no ${method} here`);
    },
    (peer) => peers.push(peer),
  );
  t.teardown(() => server.close());
  return { path, peers };
}

async function connectRaw(path: string): Promise<Socket> {
  const at = openSocketPath(path);
  const socket = connect(at.path);
  await once(socket, 'connect');
  at.release();
  return socket;
}

t.test('each call gets its own answer or error, in any order', async (t) => {
  const { path } = await serve(t);
  const peer = await connectLocally(path);
  const waiting = peer.call('never');
  const answers = await Promise.all([
    peer.call('echo', { text: 'línea\n"zwei"' }),
    peer.call('nothing'),
    peer.call('else').catch((error: unknown) => error),
  ]);
  t.same(answers.slice(0, 2), [{ text: 'línea\n"zwei"' }, null]);
  t.match(answers[2], { kind: 'refused', message: 'no else here' });
  peer.close();
  await t.rejects(waiting, { message: 'the connection ended before the answer came' });
  await peer.closed;
  await t.rejects(peer.call('echo'), { message: 'the connection has ended' });
});

t.test('what is told arrives, in order', async (t) => {
  const { path, peers } = await serve(t);
  const heard: unknown[] = [];
  const peer = await connectLocally(path, { hear: (event, data) => heard.push([event, data]) });
  await peer.call('echo');
  peers[0]?.tell('one', 1);
  peers[0]?.tell('two', { two: 2 });
  await peer.call('echo');
  t.same(heard, [
    ['one', 1],
    ['two', { two: 2 }],
  ]);
  peer.close();
});

t.test('nobody there is an error, and what a dead process left is no obstacle', async (t) => {
  const path = join(t.testdir(), 'socket');
  await t.rejects(connectLocally(path), { code: 'ENOENT', message: /ENOENT/ });
  writeFileSync(path, '');
  await t.rejects(connectLocally(path), { code: 'ECONNREFUSED', message: /ECONNREFUSED/ });
  await serve(t, path);
  const peer = await connectLocally(path);
  t.equal(await peer.call('echo', 'here'), 'here');
  peer.close();
});

t.test('nonsense and lines without end cut off their sender only', async (t) => {
  const { path } = await serve(t);
  const good = await connectLocally(path);
  for (const nonsense of ['{"id": 1\n', 'null\n', 'x'.repeat(5 * 1024 * 1024)]) {
    const socket = await connectRaw(path);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.write(nonsense);
    await closed;
  }
  t.equal(await good.call('echo', 'still here'), 'still here');
  good.close();
});

t.test('a message may come in pieces, and several in one', async (t) => {
  const { path } = await serve(t);
  const socket = await connectRaw(path);
  socket.setEncoding('utf8');
  let answers = '';
  socket.on('data', (text: string) => {
    answers += text;
  });
  const bytes = Buffer.from(
    '{"id":1,"method":"echo","params":"ü"}\n{"id":2,"method":"echo"}\n{"id":3,"method":"nothing"}\n',
  );
  const cut = bytes.indexOf(0xc3) + 1;
  socket.write(bytes.subarray(0, cut));
  socket.write(bytes.subarray(cut));
  while (answers.split('\n').length < 4) await once(socket, 'data');
  t.match(answers, '{"id":1,"result":"ü"}');
  t.match(answers, '{"id":3,"result":null}');
  socket.destroy();
});

t.test('closing leaves no socket behind', async (t) => {
  const path = join(t.testdir(), 'socket');
  const server = await listenLocally(path, () => 'here');
  const peer = await connectLocally(path);
  await server.close();
  await peer.closed;
  t.notOk(existsSync(path));
});
