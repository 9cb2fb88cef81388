/** Connections to an HTTP server on which a test says what it likes. They end with the test. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';

/** @param address HOST:PORT */
export function connected(t: Test, address: string): Socket {
  const [host = '', port] = address.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  return socket;
}

/** Its end, in order or not. */
export function gone(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}

/** All that is answered to a text until the connection ends. */
export function said(t: Test, address: string, text: string): Promise<string> {
  const socket = connected(t, address);
  let told = '';
  socket.on('data', (chunk) => {
    told += chunk.toString();
  });
  socket.write(text);
  return once(socket, 'close').then(() => told);
}
