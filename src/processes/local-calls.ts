/**
 * Calls between the programs of one machine, over a unix socket: one JSON object a line. Whoever owns the
 * programs may call, and nobody else.
 *
 * Guarantees: every call ends, by its answer, an error or the end of the connection; a peer that sends nonsense or lines
 * without end is cut off and harms nobody else; whoever has taken over the path of a server keeps it when that one closes.
 */

import { rmSync } from 'node:fs';
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { messageOf, OwlError } from '../base/errors.js';
import { FilePlace } from '../base/file-place.js';
import { openSocketPath } from './socket-path.js';

const LONGEST_LINE = 4 * 1024 * 1024;

/** Answers a call. What it throws reaches the caller as the message of an OwlError. */
export type CallHandler = (method: string, params: unknown, caller: LocalPeer) => Promise<unknown> | unknown;

export interface LocalPeer {
  /** @throws OwlError kind `refused` with the peer's reason, `unavailable` when the connection ends first */
  call(method: string, params?: unknown): Promise<unknown>;
  /** Tells the peer something that has no answer. Lost when the connection is. */
  tell(event: string, data: unknown): void;
  close(): void;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
}

export interface LocalPeerOptions {
  readonly answer?: CallHandler;
  readonly hear?: (event: string, data: unknown) => void;
}

interface Message {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
  readonly event?: unknown;
  readonly data?: unknown;
}

/** @throws Error of the system when nobody listens there */
export async function connectLocally(path: string, options: LocalPeerOptions = {}): Promise<LocalPeer> {
  const at = openSocketPath(path);
  return await new Promise((resolve, reject) => {
    const socket = connectSocket(at.path);
    const fail = (error: Error): void => {
      at.release();
      reject(error);
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.off('error', fail);
      at.release();
      resolve(peerOver(socket, options));
    });
  });
}

export interface LocalServer {
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Listens at `path`; what a dead process left there is removed first, so the caller must be the only one to listen there.
 * @param accept is told of every peer
 */
export async function listenLocally(
  path: string,
  answer: CallHandler,
  accept: (peer: LocalPeer) => void = () => undefined,
): Promise<LocalServer> {
  rmSync(path, { force: true });
  const at = openSocketPath(path);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    accept(peerOver(socket, { answer }));
  });
  await listen(server, at.path);
  const place = new FilePlace(path);
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy();
      // Closing removes what stands at the path, also another's.
      if (!place.isKeptNow()) return void server.unref();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      at.release();
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The name appears within the call, so it never stands there open to others.
    const umask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        // One peer that can't be accepted, for want of descriptors for instance, calls again.
        server.on('error', () => undefined);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

function peerOver(socket: Socket, { answer, hear }: LocalPeerOptions): LocalPeer {
  const calls = new Map<number, { resolve(result: unknown): void; reject(error: OwlError): void }>();
  let lastId = 0;
  let rest = '';

  const write = (message: Message): void => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  };
  const respond = async (id: unknown, method: string, params: unknown): Promise<void> => {
    try {
      if (answer === undefined) throw new OwlError('invalid', 'nobody here answers calls');
      write({ id, result: (await answer(method, params, peer)) ?? null });
    } catch (error) {
      write({ id, error: messageOf(error) });
    }
  };
  const receive = (message: Message): void => {
    const { id, method, params, result, error, event, data } = message;
    if (typeof method === 'string') void respond(id, method, params);
    else if (typeof event === 'string') hear?.(event, data);
    else if (typeof id === 'number') {
      const call = calls.get(id);
      calls.delete(id);
      if (typeof error === 'string') call?.reject(new OwlError('refused', error));
      else call?.resolve(result);
    }
  };

  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    try {
      for (const line of lines) receive(parseLine(line));
      if (rest.length > LONGEST_LINE) throw new Error('a line without end');
    } catch {
      socket.destroy();
    }
  });
  // The end of the connection follows and says all there is to say.
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      for (const { reject } of calls.values())
        reject(new OwlError('unavailable', 'the connection ended before the answer came'));
      calls.clear();
      resolve();
    });
  });

  const peer: LocalPeer = {
    call(method, params) {
      if (!socket.writable) return Promise.reject(new OwlError('unavailable', 'the connection has ended'));
      lastId += 1;
      const id = lastId;
      return new Promise((resolve, reject) => {
        calls.set(id, { resolve, reject });
        write({ id, method, params });
      });
    },
    tell: (event, data) => write({ event, data }),
    close: () => void socket.destroy(),
    closed,
  };
  return peer;
}

function parseLine(line: string): Message {
  const message: unknown = JSON.parse(line);
  if (typeof message !== 'object' || message === null) throw new Error('a line that is no message');
  return message;
}
