/**
 * 20,000 calls that nobody foresaw to every method that a node serves, from one seed: each is answered with a status or a refusal,
 * none breaks anything inside, the node goes on, stays small, ends in order, and what it has stored passes the checker.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client, credentials, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import t from 'tap';
import { loadProto, loadProtoFile } from '../../../src/wire/proto.js';
import { startTalentProcess } from '../../support/owl-process.js';
import { checkHistory } from '../checker/check-history.js';
import { checkTable } from '../checker/check-tables.js';
import { eventsIn, rowsIn } from '../checker/sqlite-files.js';
import { Violations } from '../checker/violations.js';
import { Dice } from '../dice.js';
import { Messages } from './messages.js';

const SEED = 20_260_601;
const CALLS = 20_000;
const AT_ONCE = 64;
const MOST_MIB = 700;
const DEADLINE_MS = 30_000;
/** HTTP/2 ends a connection on which some 1,000 streams were cut in a short time: they are shared out. */
const CONNECTIONS = 10;
/** They take their time, and nothing is to be learned from doing them often. */
const SELDOM: ReadonlySet<string> = new Set([
  'rebuild',
  'redrive',
  'ServerReflectionInfo',
  'plot_task_status_all',
]);

const ALONE = { 'grpc.enable_http_proxy': 0, 'grpc.use_local_subchannel_pool': 1 };

interface Target {
  readonly definition: MethodDefinition<object, object>;
  readonly requestType: { readonly type: object; readonly name: string };
}

const REFLECTION = join(
  dirname(createRequire(import.meta.url).resolve('@grpc/reflection')),
  '../proto/grpc/reflection',
);
const PACKAGES: readonly PackageDefinition[] = [
  ...['talent', 'runtime'].map(loadProto),
  ...[healthProto, ...['v1', 'v1alpha'].map((version) => join(REFLECTION, version, 'reflection.proto'))].map(
    loadProtoFile,
  ),
];

t.test('20,000 calls that nobody foresaw', async (t) => {
  t.comment(`seed ${SEED}`);
  const directory = t.testdir();
  const talent = await startTalentProcess(t, ['--data', 'data', '--log-level', 'error'], directory);
  const client = new Client(talent.address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  t.teardown(() => client.close());
  const dice = new Dice(SEED);
  const targets = targetsOf(PACKAGES);
  const covered = new Set(targets.map(({ definition }) => serviceOf(definition)));
  const forgotten = (await servicesAt(client)).filter((service) => !covered.has(service));
  t.same(forgotten, [], 'whatever it says that it serves is called');

  const clients = Array.from(
    { length: CONNECTIONS },
    () => new Client(talent.address, credentials.createInsecure(), ALONE),
  );
  t.teardown(() => {
    for (const one of clients) one.close();
  });
  const fuzz = new Fuzz(clients, new Messages(PACKAGES, dice.apart()), dice);
  let begun = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (begun < CALLS) {
        begun += 1;
        await fuzz.call(fuzz.pick(targets));
      }
    }),
  );
  t.same(fuzz.unforeseen, [], 'every call is answered, and none of them breaks anything inside');
  const inside = talent.process.stderr();
  t.equal(inside, '', 'nothing went wrong that the log would tell');
  t.comment([...fuzz.answers].map(([name, count]) => `${name} ${count}`).join(', '));
  t.ok((fuzz.answers.get('OK') ?? 0) > CALLS / 10, 'a good part of them got past the first rule');
  t.ok(peakMiB(talent.process.child.pid) < MOST_MIB, `it needs less than ${MOST_MIB} MiB`);

  for (const one of [client, ...clients]) one.close();
  talent.process.child.kill('SIGTERM');
  t.equal((await talent.process.ended).code, 0, 'it ends in order');
  const file = join(directory, 'data/owl.db');
  const violations = new Violations();
  const told = { commands: [], sessions: [], shown: [], poisoned: new Map() };
  const history = await checkHistory(eventsIn(file), told, violations);
  t.ok(history.events > 100, `${history.events} events came of it`);
  for (const [name, key, expected] of [
    ['plot_tasks', 'task_id', history.tasks],
    ['supervisors', 'worker_id', history.supervisors],
  ] as const)
    checkTable({ name, key, expected, rows: rowsIn(file, name), except: () => false }, violations);
  t.same(violations.lines(), []);
});

class Fuzz {
  /** How many calls ended with which status. */
  readonly answers = new Map<string, number>();
  /** What should never be answered. */
  readonly unforeseen: string[] = [];
  private readonly clients: readonly Client[];
  private readonly messages: Messages;
  private readonly dice: Dice;

  constructor(clients: readonly Client[], messages: Messages, dice: Dice) {
    this.clients = clients;
    this.messages = messages;
    this.dice = dice;
  }

  pick(targets: readonly Target[]): Target {
    const target = this.dice.pick(targets);
    const isSeldom = SELDOM.has(nameOf(target.definition));
    return isSeldom && this.dice.chance(0.9) ? this.pick(targets) : target;
  }

  async call(target: Target): Promise<void> {
    const { requestStream, responseStream } = target.definition;
    const error = await (requestStream
      ? this.duplex(target)
      : responseStream
        ? this.stream(target)
        : this.unary(target));
    const code = error?.code ?? status.OK;
    const name = status[code] ?? String(code);
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
    if (error !== undefined && !isForeseen(error))
      this.unforeseen.push(`${target.definition.path}: ${name} ${error.details}`);
  }

  private unary({ definition, requestType }: Target): Promise<ServiceError | undefined> {
    const { path, responseDeserialize } = definition;
    return new Promise((resolve) => {
      this.dice
        .pick(this.clients)
        .makeUnaryRequest(
          path,
          asItIs,
          responseDeserialize,
          this.messages.bytesOf(requestType.type, requestType.name),
          { deadline: Date.now() + DEADLINE_MS },
          (error) => resolve(error ?? undefined),
        );
    });
  }

  /** Reads some of what comes and goes away, mostly in the middle. */
  private stream({ definition, requestType }: Target): Promise<ServiceError | undefined> {
    const { path, responseDeserialize } = definition;
    const bytes = this.messages.bytesOf(requestType.type, requestType.name);
    const call = this.dice
      .pick(this.clients)
      .makeServerStreamRequest(path, asItIs, responseDeserialize, bytes);
    return this.untilOver(call, this.dice.whole(0, 30));
  }

  private duplex({ definition, requestType }: Target): Promise<ServiceError | undefined> {
    const { path, responseDeserialize } = definition;
    const call = this.dice.pick(this.clients).makeBidiStreamRequest(path, asItIs, responseDeserialize);
    for (let left = this.dice.whole(0, 20); left > 0; left--)
      call.write(this.messages.bytesOf(requestType.type, requestType.name));
    if (this.dice.chance(0.7)) call.end();
    return this.untilOver(call, this.dice.whole(0, 30));
  }

  private untilOver(
    call: { on(name: string, listener: (error: ServiceError) => void): unknown; cancel(): void },
    cutAfterMs: number,
  ): Promise<ServiceError | undefined> {
    const cutting = setTimeout(() => call.cancel(), cutAfterMs);
    return new Promise((resolve) => {
      const over = (error?: ServiceError) => {
        clearTimeout(cutting);
        resolve(error);
      };
      call.on('data', () => undefined);
      call.on('end', () => over());
      call.on('error', over);
    });
  }
}

/** What the peers of a node have to expect. That bytes are no message is said with INTERNAL by gRPC itself. */
function isForeseen({ code, details }: ServiceError): boolean {
  if (code === status.INTERNAL) return /^Error deserializing request/.test(details);
  return (
    code !== status.UNKNOWN &&
    code !== status.UNIMPLEMENTED &&
    code !== status.UNAVAILABLE &&
    code !== status.DEADLINE_EXCEEDED
  );
}

const asItIs = (bytes: Buffer): Buffer => bytes;

function targetsOf(packages: readonly PackageDefinition[]): Target[] {
  return packages.flatMap((definitions) =>
    Object.entries(definitions).flatMap(([service, definition]) => {
      if ('format' in definition) return [];
      const [scope = ''] =
        service.split('.').length > 1 ? [service.slice(0, service.lastIndexOf('.'))] : [''];
      return Object.values(definition).map((method) => {
        const { type } = method.requestType;
        const name = 'name' in type ? String(type.name) : '';
        return { definition: method, requestType: { type, name: `${scope}.${name}` } };
      });
    }),
  );
}

function serviceOf({ path }: { readonly path: string }): string {
  return path.split('/')[1] ?? '';
}

function nameOf({ path }: { readonly path: string }): string {
  return path.split('/')[2] ?? '';
}

/** What the node itself says that it serves. */
async function servicesAt(client: Client): Promise<string[]> {
  const [reflection] = targetsOf(PACKAGES).filter(
    ({ definition }) => nameOf(definition) === 'ServerReflectionInfo',
  );
  if (reflection === undefined) throw new Error('there is no reflection');
  const { path, requestSerialize, responseDeserialize } = reflection.definition;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  call.write({ list_services: '' });
  call.end();
  const names: string[] = [];
  for await (const answer of call) {
    const {
      list_services_response: { service = [] } = {},
    }: { list_services_response?: { service?: { name?: string }[] } } = answer;
    names.push(...service.map(({ name = '' }) => name));
  }
  return names.sort();
}

function peakMiB(pid: number | undefined): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
