/** A TCP proxy before a node: it keeps its address while the node changes its own, cuts connections and holds them up. */

import { connect, createServer, type Server, type Socket } from 'node:net';

const HOST = '127.0.0.1';

interface Line {
  readonly near: Socket;
  readonly far: Socket;
}

export class Gate {
  /** Port of the node; undefined while there is none: then connections end at once. */
  target: number | undefined;
  private readonly lines = new Set<Line>();
  private readonly server: Server;
  private readonly port: number;
  private held = false;

  private constructor(server: Server, port: number) {
    this.server = server;
    this.port = port;
    server.on('connection', (near) => this.join(near));
  }

  static async listen(): Promise<Gate> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, HOST, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
    return new Gate(server, address.port);
  }

  /** HOST:PORT */
  get address(): string {
    return `${HOST}:${this.port}`;
  }

  /** Ends some of the connections, in the middle of whatever they carry. */
  cut(isCut: () => boolean): void {
    for (const { near, far } of [...this.lines]) {
      if (!isCut()) continue;
      near.resetAndDestroy();
      far.destroy();
    }
  }

  /** Carries nothing in either direction until it is called with false. */
  hold(held: boolean): void {
    this.held = held;
    for (const line of this.lines) this.halt(line);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut(() => true);
    await closed;
  }

  private join(near: Socket): void {
    near.on('error', () => near.destroy());
    if (this.target === undefined) {
      near.destroy();
      return;
    }
    const far = connect({ port: this.target, host: HOST, noDelay: true });
    const line = { near, far };
    this.lines.add(line);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('data', (bytes: Buffer) => {
        if (other.write(bytes)) return;
        one.pause();
        other.once('drain', () => {
          if (!this.held) one.resume();
        });
      });
      one.on('error', () => one.destroy());
      one.on('close', () => {
        other.destroy();
        this.lines.delete(line);
      });
    }
    if (this.held) this.halt(line);
  }

  private halt({ near, far }: Line): void {
    for (const socket of [near, far]) this.held ? socket.pause() : socket.resume();
  }
}
