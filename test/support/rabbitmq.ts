/**
 * A real RabbitMQ for tests: Debian's `rabbitmq-server`, with ports, a node name, a data directory and an epmd of its own on
 * loopback, whoever runs it. Nothing of the machine's own RabbitMQ is touched, and all of it ends with the test.
 *
 * Where none is installed the test says so by its name and is left out, unless OWL_DEMAND_RABBITMQ is set, as `.ci/run` does.
 * OWL_RABBITMQ_SERVER names another script that starts one, of a newer version for instance.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type ChannelModel, connect } from 'amqplib';
import type { Test } from 'tap';
import { testDirectory } from './test-directory.js';
import { until } from './until.js';

const SERVER = process.env['OWL_RABBITMQ_SERVER'] ?? '/usr/lib/rabbitmq/bin/rabbitmq-server';
const DEMAND = 'OWL_DEMAND_RABBITMQ';
const USER = 'owl';
const PASSWORD = 'a secret of its own';
/** Each test on one broker has one for itself. */
const VHOSTS = 16;
/** Two busy processors start one in some ten seconds. */
const START_WITHIN_MS = 120_000;

/** For `t.test(name, { skip: withoutRabbitMq() }, …)`: why not, or false. */
export function withoutRabbitMq(): string | false {
  if (existsSync(SERVER)) return false;
  if (process.env[DEMAND] !== undefined)
    throw new Error(
      `${DEMAND} is set, and there is no RabbitMQ: ${SERVER} is missing (apt-get install rabbitmq-server)`,
    );
  return `left out: RabbitMQ is not installed (${SERVER})`;
}

export class RabbitMq {
  readonly passwordFile: string;
  private readonly directory: string;
  private readonly ports: { readonly amqp: number; readonly dist: number; readonly epmd: number };
  private readonly name = `owl${randomBytes(4).toString('hex')}@localhost`;
  private epmd: ChildProcess | undefined;
  private server: ChildProcess | undefined;
  private given = 0;
  private output = '';

  constructor(directory: string, [amqp, dist, epmd]: readonly [number, number, number]) {
    this.directory = directory;
    this.ports = { amqp, dist, epmd };
    this.passwordFile = join(directory, 'password');
    for (const name of ['home', 'mnesia', 'log']) mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(this.passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
    writeFileSync(join(directory, 'plugins'), '[].\n');
    writeFileSync(join(directory, 'definitions.json'), JSON.stringify(definitions()));
    writeFileSync(join(directory, 'rabbitmq.conf'), this.configuration());
  }

  /** One that nobody else has been given: the address with its user and virtual host. */
  url(): string {
    if (this.given >= VHOSTS) throw new Error('there are no more virtual hosts');
    return this.urlOf(this.given++);
  }

  /** Of a new connection to what `url` has given, with the password: to look at and to break things. */
  async connect(url: string): Promise<ChannelModel> {
    const { port, pathname } = new URL(url);
    const model = await connect({
      ...{ hostname: '127.0.0.1', port: Number(port), vhost: pathname.slice(1) },
      ...{ username: USER, password: PASSWORD },
    });
    model.on('error', () => undefined);
    return model;
  }

  /** Resolves once it takes connections. */
  async start(): Promise<void> {
    this.epmd ??= spawn('epmd', ['-port', `${this.ports.epmd}`, '-address', '127.0.0.1'], {
      stdio: 'ignore',
    });
    const server = spawn(SERVER, [], { detached: true, env: this.environment(), cwd: this.directory });
    this.server = server;
    for (const stream of [server.stdout, server.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.output = `${this.output}${chunk.toString()}`.slice(-4_000);
      });
    await until(
      'RabbitMQ takes connections',
      async () => {
        if (server.exitCode !== null) throw new Error(`RabbitMQ has ended: ${this.output}`);
        return await this.answers();
      },
      START_WITHIN_MS,
    );
  }

  /** Runs a script of a shell in which `rabbitmqctl` is that of this broker. Throws when it fails. */
  async ctl(script: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const own = this.environment();
    // The one in /usr/sbin would become another user first.
    const PATH = [dirname(SERVER), own['PATH']].join(delimiter);
    await promisify(execFile)('sh', ['-e', '-c', script], {
      cwd: this.directory,
      env: { ...own, ...env, PATH },
    });
  }

  /** HOST:PORT */
  get address(): string {
    return `127.0.0.1:${this.ports.amqp}`;
  }

  /** Of its processes: its leader's pid, while it runs. */
  get group(): number {
    return this.server?.pid ?? 0;
  }

  /** SIGKILL to all of it. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** SIGSTOP: it is there and does not answer. */
  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.end('SIGKILL');
    this.epmd?.kill('SIGKILL');
    this.epmd = undefined;
    rmSync(join(this.directory, 'mnesia'), { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    const gone = new Promise((resolve) => server.once('close', resolve));
    this.signal(signal);
    if (server.exitCode === null && server.signalCode === null) await gone;
    this.server = undefined;
  }

  private signal(signal: NodeJS.Signals): void {
    const pid = this.server?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // All of it is gone.
    }
  }

  private async answers(): Promise<boolean> {
    try {
      const model = await this.connect(this.urlOf(VHOSTS - 1));
      await model.close();
      return true;
    } catch {
      return false;
    }
  }

  private urlOf(vhost: number): string {
    return `amqp://${USER}@127.0.0.1:${this.ports.amqp}/v${vhost}`;
  }

  private configuration(): string {
    return [
      `listeners.tcp.default = 127.0.0.1:${this.ports.amqp}`,
      `load_definitions = ${join(this.directory, 'definitions.json')}`,
      // A machine that is short of these is not what is tested.
      'disk_free_limit.absolute = 1MB',
      'vm_memory_high_watermark.relative = 0.9',
      'log.file.level = warning',
      '',
    ].join('\n');
  }

  private environment(): NodeJS.ProcessEnv {
    const at = (name: string) => join(this.directory, name);
    return {
      PATH: [process.env['PATH'], '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(delimiter),
      LANG: 'C.UTF-8',
      HOME: at('home'),
      ERL_EPMD_PORT: `${this.ports.epmd}`,
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: this.name,
      RABBITMQ_DIST_PORT: `${this.ports.dist}`,
      RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: at('plugins'),
      RABBITMQ_MNESIA_BASE: at('mnesia'),
      RABBITMQ_LOG_BASE: at('log'),
      RABBITMQ_PID_FILE: at('pid'),
      // The fewer threads it has, the less two processors have to do.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
        '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}',
    };
  }
}

/** Ends with the test. */
export async function startRabbitMq(t: Test): Promise<RabbitMq> {
  const directory = testDirectory(t);
  const broker = new RabbitMq(directory, await freePorts());
  t.teardown(() => broker.stop());
  await broker.start();
  return broker;
}

export async function freePorts(): Promise<[number, number, number]> {
  const servers = [createServer(), createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  for (const server of servers) server.close();
  const [amqp = 0, dist = 0, epmd = 0] = ports;
  return [amqp, dist, epmd];
}

function definitions() {
  const salt = randomBytes(4);
  const hash = createHash('sha256')
    .update(Buffer.concat([salt, Buffer.from(PASSWORD)]))
    .digest();
  const vhosts = Array.from({ length: VHOSTS }, (_, i) => ({ name: `v${i}` }));
  return {
    users: [{ name: USER, password_hash: Buffer.concat([salt, hash]).toString('base64'), tags: '' }],
    vhosts,
    permissions: vhosts.map(({ name }) => ({
      ...{ user: USER, vhost: name, configure: '.*', write: '.*', read: '.*' },
    })),
  };
}
