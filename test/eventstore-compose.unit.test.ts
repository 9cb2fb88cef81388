/** eventstore.compose.yml is what docs/fleet.md says it is. No container engine runs here, so it is read, and its script run alone. */

import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseConnectionString } from '../src/runtime/event-store/eventstoredb/connection/connection-string.js';
import { DEFAULT_DEADLINE_MS } from '../src/runtime/event-store/eventstoredb/eventstoredb-store.js';

const root = process.cwd();
const composeText = readFileSync(join(root, 'eventstore.compose.yml'), 'utf8');
const guide = readFileSync(join(root, 'docs', 'fleet.md'), 'utf8');

const Service = z.object({
  image: z.string(),
  profiles: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()),
  mem_limit: z.string(),
  restart: z.string().optional(),
  command: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.object({ test: z.array(z.string()), retries: z.number() }).optional(),
  networks: z.record(z.string(), z.object({ ipv4_address: z.string() })).default({}),
});
const compose = z
  .object({ services: z.record(z.string(), Service), volumes: z.record(z.string(), z.null()) })
  .parse(parse(composeText, { merge: true }));

const { services } = compose;
const serviceNamed = (name: string) => Service.parse(services[name]);
const single = serviceNamed('eventstore');
const cluster = ['eventstore-1', 'eventstore-2', 'eventstore-3'].map(serviceNamed);
const nodes = [single, ...cluster];
const publishedPort = ({ ports }: z.infer<typeof Service>) => Number(ports[0]?.split(':').at(-2));

await t.test('one node for development, and a cluster as a profile', async (t) => {
  t.strictSame(Object.keys(services).sort(), [
    'certificates',
    'eventstore',
    'eventstore-1',
    'eventstore-2',
    'eventstore-3',
  ]);
  t.strictSame(single.profiles, [], 'what starts when nothing is named');
  t.equal(single.environment['EVENTSTORE_INSECURE'], 'true');
  t.ok(
    single.ports.every((port) => port.startsWith('127.0.0.1:')),
    'and is not reachable from elsewhere',
  );
  for (const node of [...cluster, serviceNamed('certificates')]) t.strictSame(node.profiles, ['cluster']);
});

await t.test('images have one version, pinned, and the guide names it', async (t) => {
  const images = new Set(nodes.map(({ image }) => image));
  t.equal(images.size, 1);
  const [image = ''] = images;
  t.match(image, /^eventstore\/eventstore:\d+\.\d+\.\d+-\w+$/);
  t.match(serviceNamed('certificates').image, /:\d+\.\d+\.\d+$/);
  const named = guide.match(/eventstore\/eventstore:[\w.-]*\w/g) ?? [];
  t.strictSame([...new Set(named)], [image]);
});

await t.test('each node has a health check, a memory limit, restarts, and keeps its data', async (t) => {
  for (const node of nodes) {
    t.match(node.healthcheck?.test.join(' '), /\/health\/live/);
    t.match(node.mem_limit, /\dg/);
    t.equal(node.restart, 'unless-stopped');
    const targets = node.volumes.map((volume) => volume.split(':')[1]);
    t.ok(targets.includes('/var/lib/eventstore') && targets.includes('/var/log/eventstore'));
    t.equal(node.environment['EVENTSTORE_RUN_PROJECTIONS'], 'System');
    t.equal(node.environment['EVENTSTORE_START_STANDARD_PROJECTIONS'], 'true');
  }
  const used = Object.values(services).flatMap(({ volumes }) =>
    volumes.map((volume) => volume.split(':')[0]),
  );
  t.strictSame(
    [...new Set(used)].sort(),
    Object.keys(compose.volumes).sort(),
    'no volume is missing or left over',
  );
  const dataVolumes = nodes.map(({ volumes }) =>
    volumes.find((volume) => volume.endsWith(':/var/lib/eventstore')),
  );
  t.equal(new Set(dataVolumes).size, 4, 'and none has two owners');
});

await t.test('the cluster: three nodes that know each other, with certificates and passwords', async (t) => {
  const addresses = cluster.map(({ networks }) => networks['cluster']?.ipv4_address ?? '');
  cluster.forEach((node, i) => {
    const { environment } = node;
    const others = addresses
      .filter((address) => address !== addresses[i])
      .map((address) => `${address}:2113`);
    t.equal(environment['EVENTSTORE_CLUSTER_SIZE'], '3');
    t.equal(environment['EVENTSTORE_REPLICATION_IP'], addresses[i]);
    t.equal(environment['EVENTSTORE_GOSSIP_SEED'], others.join(','));
    t.equal(environment['EVENTSTORE_ADVERTISE_NODE_PORT_TO_CLIENT_AS'], String(publishedPort(node)));
    t.equal(environment['EVENTSTORE_INSECURE'], undefined);
    t.equal(environment['EVENTSTORE_DEFAULT_ADMIN_PASSWORD'], `\${OWL_EVENTSTORE_ADMIN_PASSWORD:-}`);
    t.strictSame(node.depends_on, { certificates: { condition: 'service_completed_successfully' } });
    t.notOk(
      node.volumes.some((volume) => volume.startsWith('eventstore-authority')),
      'the key of the authority is not here',
    );
    t.ok(node.volumes.includes(`eventstore-${i + 1}-certs:/certs:ro`));
  });
  const script = serviceNamed('certificates').command.join('\n');
  t.match(
    script,
    /-z "\$\$ADMIN_PASSWORD"[\s\S]*exit 1/,
    'without passwords there are no certificates, and so no cluster',
  );
  for (const address of addresses) t.ok(address.startsWith('172.30.240.1'), 'as the certificates say');
});

await t.test('certificates hold the name of the machine, or its address', async (t) => {
  const hosts: readonly [host: string, names: string, addresses: string][] = [
    ['localhost', 'localhost', '127.0.0.1'],
    ['store.farm.example', 'localhost,store.farm.example', '127.0.0.1'],
    ['10-0-0-7.farm.example', 'localhost,10-0-0-7.farm.example', '127.0.0.1'],
    ['10.0.0.7', 'localhost', '127.0.0.1,10.0.0.7'],
    ['fd00::7', 'localhost', '127.0.0.1,fd00::7'],
  ];
  for (const [host, names, addresses] of hosts) {
    const made = makeCertificates(t, host).filter(([command]) => command === 'create-node');
    t.equal(made.length, 3, 'one for each node');
    made.forEach((words, i) => {
      t.equal(words[words.indexOf('-dns-names') + 1], names, host);
      t.equal(words[words.indexOf('-ip-addresses') + 1], `${addresses},172.30.240.1${i + 1}`, host);
    });
  }
});

await t.test('connection strings of the guide are valid and lead to published ports', async (t) => {
  const strings = [...guide.matchAll(/esdb(?:\+discover)?:\/\/localhost[^\s`']*/g)].map(([text]) => text);
  t.ok(strings.length >= 3);
  const singlePort = publishedPort(single);
  const clusterPorts = cluster.map(publishedPort);
  for (const text of strings) {
    const { hosts, tls } = parseConnectionString(text);
    t.strictSame(
      hosts.map(({ port }) => port),
      tls ? clusterPorts : [singlePort],
      text,
    );
  }
});

await t.test('names in the guide are names in the compose file', async (t) => {
  const variables = new Set(composeText.match(/OWL_EVENTSTORE_[A-Z_]+/g));
  t.strictSame(new Set(guide.match(/OWL_EVENTSTORE_[A-Z_]+/g)), variables, 'settings');
  for (const [name] of guide.matchAll(/\bEVENTSTORE_[A-Z_]+/g)) t.ok(composeText.includes(name), name);
  for (const [, name = ''] of guide.matchAll(/`(eventstore-[a-z0-9-]+)`/g)) {
    t.ok(name in compose.volumes || name in services, name);
  }
  const largest = new Set(nodes.map(({ environment }) => environment['EVENTSTORE_MAX_APPEND_SIZE']));
  t.strictSame([...largest], ['16767216']);
  t.match(guide, /16767216 bytes/);
});

await t.test('options of the connection string in the guide are known, with their defaults', async (t) => {
  const rows = [...guide.matchAll(/^\| `(\w+)`(?:, `(\w+)`)? +\| ([^|]+?) +\|/gm)];
  const settings = parseConnectionString('esdb://localhost');
  const defaults = new Map<string, unknown>([
    ['tls', String(settings.tls)],
    ['defaultDeadline', String(DEFAULT_DEADLINE_MS)],
    ['gossipTimeout', String(settings.gossipTimeoutMs / 1_000)],
    ['keepAliveInterval', String(settings.keepAliveIntervalMs)],
    ['keepAliveTimeout', String(settings.keepAliveTimeoutMs)],
  ]);
  let checked = 0;
  for (const [, first = '', second, value = ''] of rows) {
    for (const option of second === undefined ? [first] : [first, second]) {
      if (option.startsWith('OWL_')) continue;
      const sample = option === 'tls' ? 'true' : '5000';
      const pair = /^user(Cert|Key)File$/.test(option)
        ? 'userCertFile=a&userKeyFile=b'
        : `${option}=${sample}`;
      t.doesNotThrow(() => parseConnectionString(`esdb://localhost?${pair}`), option);
      if (defaults.has(option))
        t.equal(value.replaceAll('`', ''), defaults.get(option), `${option} has this default`);
      checked += 1;
    }
  }
  t.equal(checked, 9, 'all of them');
});

/** Runs the script that makes them with a stand-in for the program; says what that was told, call by call. */
function makeCertificates(t: Test, host: string): string[][] {
  const stub = '#!/bin/sh\n';
  const directory = t.testdir({
    bin: {
      'es-gencert-cli': `${stub}echo "$@" >> "$CALLS"\nwhile [ "$1" != -out ]; do shift; done\nmkdir -p "$2"\ntouch "$2/ca.crt" "$2/node.key"\n`,
      chown: stub,
    },
  });
  for (const name of ['es-gencert-cli', 'chown']) chmodSync(join(directory, 'bin', name), 0o755);
  const script = serviceNamed('certificates')
    .command.join('\n')
    .replaceAll('$$', '$')
    .replaceAll(/\/(authority|certs)\b/g, `${directory}/$1`);
  const calls = join(directory, 'calls');
  execFileSync('bash', ['-ec', script], {
    env: {
      ...process.env,
      PATH: `${join(directory, 'bin')}:${process.env['PATH']}`,
      CALLS: calls,
      HOST: host,
      ADMIN_PASSWORD: 'a',
      OPS_PASSWORD: 'b',
    },
  });
  const lines = readFileSync(calls, 'utf8').trim().split('\n');
  return lines.map((line) => line.split(' '));
}
