/** A node is a list of systems: two of them run beside each other on one store, and those that can't are refused. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import type { System } from '../../src/cli/system.js';
import { Settings } from '../../src/node/config/config.js';
import { configSection, meant } from '../../src/node/config/config-section.js';
import { type RunningNode, startNode } from '../../src/node/node.js';
import type { OpenedService, ServiceSide } from '../../src/node/system.js';
import { runOwl } from '../../src/run.js';
import { supervisorPeers } from '../../src/systems/talent/service/supervisors/supervisor-type.js';
import { talent } from '../../src/systems/talent/system.js';
import { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { SYSTEMS } from '../../src/systems.js';
import { ofKind } from '../support/events.js';
import { healthOf } from '../support/health.js';
import { localCredentials } from '../support/local-credentials.js';
import { logLines } from '../support/log-lines.js';
import { orderFor } from '../support/talent-node.js';
import { terminalDouble } from '../support/terminal-double.js';
import { until } from '../support/until.js';
import { semaphoreSystem } from '../systems/semaphore/system.js';
import { SemaphoreClient } from '../systems/semaphore/wire/semaphore-client.js';

const ALL = [...SYSTEMS, semaphoreSystem];

async function start(
  t: Test,
  systems: readonly System[],
  data = join(t.testdirName, 'data'),
): Promise<RunningNode> {
  const config = new Settings(systems).load({ env: {}, cwd: '/', flags: { data, listen: '127.0.0.1:0' } });
  const node = await startNode({ systems, config, logger: logLines().logger });
  t.teardown(() => node.stop());
  return node;
}

function clientsOf(t: Test, server: string, data = join(t.testdirName, 'data')) {
  const clients = {
    semaphores: new SemaphoreClient({ server, credentials: localCredentials(data) }),
    talent: new PlotManagerClient({ server }),
  };
  t.teardown(() => {
    clients.semaphores.close();
    clients.talent.close();
  });
  return clients;
}

/** One command of an owl that has semaphores too. */
async function owl(args: readonly string[], systems: readonly System[] = ALL, data = '/nowhere') {
  const terminal = terminalDouble({ env: { OWL_DATA: data } });
  const code = await runOwl(args, terminal, systems);
  await new Promise((resolve) => setImmediate(resolve));
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

t.test('semaphores run beside talent, on one store, one port and one command line', async (t) => {
  t.testdir();
  const node = await start(t, ALL);
  const { semaphores, talent: plots } = clientsOf(t, node.address);
  await semaphores.create({ name: 'gpu', capacity: 1 });
  t.match(await plots.create(orderFor('task_1')), { is_success: true });
  const server = ['--server', node.address];
  const data = join(t.testdirName, 'data');
  t.match(await owl(['semaphore', 'acquire', 'gpu', 'a', ...server], ALL, data), {
    code: 0,
    stdout: 'held\n',
  });
  t.match(await owl(['semaphore', 'acquire', 'gpu', 'b', ...server], ALL, data), {
    code: 0,
    stdout: 'waiting\n',
  });
  t.match(await owl(['plot', 'list', ...server]), { code: 0, stdout: /task_1/ });
  await t.rejects(semaphores.acquire({ name: 'none', holder: 'a' }), ofKind('not_found'));

  const status = JSON.parse((await owl(['node', 'status', '--json', ...server])).stdout);
  t.same(
    status.systems,
    ALL.map(({ name }) => name),
  );
  const readers = new Set(status.readers.map(({ name }: { name: string }) => name));
  for (const name of [
    'plot_tasks',
    'supervisors',
    'lost_supervisors',
    'permits',
    'notices',
    'grants-permits',
  ])
    t.ok(readers.has(name), name);
  for (const name of ['', 'talent', 'semaphore', 'talent.PlotManager', 'semaphore.Semaphores', 'owl.Node'])
    t.equal(await healthOf(node.address, name), 'SERVING', name);
  const whole = await owl(['status', '--json', ...server], ALL, data);
  t.match(JSON.parse(whole.stdout).systems, [
    { name: 'talent', machine: 'supervisor' },
    { name: 'workload' },
    { name: 'semaphore' },
  ]);
  await node.stop();

  const again = await start(t, ALL);
  const { semaphores: later, talent: laterPlots } = clientsOf(t, again.address);
  t.same(await later.permits({ name: 'gpu' }), {
    permits: [
      { holder: 'a', state: 'held' },
      { holder: 'b', state: 'waiting' },
    ],
  });
  t.match(await laterPlots.status({ task_id: 'task_1' }), { existed: true });
});

t.test('a system that is left out leaves what it stored alone', async (t) => {
  t.testdir();
  const both = await start(t, ALL);
  const { semaphores } = clientsOf(t, both.address);
  await semaphores.create({ name: 'gpu', capacity: 1 });
  await semaphores.acquire({ name: 'gpu', holder: 'a' });
  await both.stop();
  const alone = await start(t, [talent]);
  t.match(await clientsOf(t, alone.address).talent.create(orderFor('task_1')), { is_success: true });
  await alone.stop();
  const again = await start(t, ALL);
  const { permits } = await clientsOf(t, again.address).semaphores.permits({ name: 'gpu' });
  t.same(permits, [{ holder: 'a', state: 'held' }]);
});

t.test('the section of a system is its own, with variable and default', async (t) => {
  const settings = new Settings(ALL);
  const load = (env: Record<string, string>) => settings.load({ env, cwd: t.testdir() });
  t.match(load({}).of(semaphoreSystem.config), { semaphore: { lease_seconds: 600 } });
  t.match(load({ OWL_SEMAPHORE_LEASE_SECONDS: '7' }).of(semaphoreSystem.config), {
    semaphore: { lease_seconds: 7 },
  });
  t.match((await owl(['config', 'check', '--help'])).stdout, 'OWL_SEMAPHORE_LEASE_SECONDS (default: 600)');
});

/** A system that claims nothing that semaphores have, but what `claims` says. */
function like(claims: Partial<System>, side: Partial<ServiceSide> = {}): System {
  const opened: OpenedService = { handlers: {} };
  const empty: ServiceSide = { actorTypes: [], projections: [], proto: {}, open: () => opened, ...side };
  return {
    name: 'other',
    config: configSection(z.strictObject({})),
    commands: () => undefined,
    service: async () => empty,
    ...claims,
  };
}

t.test('what two systems can not both have is refused with both names, and nothing is opened', async (t) => {
  const { actorTypes, projections, proto } = await semaphoreSystem.service();
  const others: Readonly<Record<string, System>> = {
    'the name semaphore': like({ name: 'semaphore' }),
    'the category semaphore': like({}, { actorTypes: actorTypes.slice(0, 1) }),
    'the projection permits, the table permits and semaphores': like(
      {},
      { projections: projections.slice(0, 1) },
    ),
    'the gRPC service semaphore.Semaphores': like({}, { proto }),
    'the key of the configuration semaphore': like({ config: semaphoreSystem.config }),
  };
  const cwd = t.testdir({});
  for (const [shared, other] of Object.entries(others)) {
    const config = new Settings([semaphoreSystem]).load({
      env: {},
      cwd,
      flags: { data: 'data', listen: '127.0.0.1:0' },
    });
    await t.rejects(startNode({ systems: [semaphoreSystem, other], config, logger: logLines().logger }), {
      kind: 'refused',
      message: `semaphore and ${other.name} can't be systems of one owl: both have ${shared}; leave one of them out`,
    });
  }
  t.same(readdirSync(cwd), []);
});

t.test('two reactors of one name are refused, and the directory is free again', async (t) => {
  t.testdir();
  const reactors = [{ name: 'grants-permits', categories: ['other'], react: () => [] }];
  const other = like({}, { open: () => ({ handlers: {}, reactors }) });
  await t.rejects(start(t, [semaphoreSystem, other]), {
    kind: 'refused',
    message: /^semaphore and other can't be .* the reactor grants-permits;/,
  });
  const twice = like({}, { open: () => ({ handlers: {}, reactors: [...reactors, ...reactors] }) });
  await t.rejects(start(t, [twice]), { message: /^other has the reactor grants-permits twice;/ });
  await start(t, [semaphoreSystem]);
});

t.test('two loops of one name are refused, and a category or table that is the node’s own', async (t) => {
  t.testdir();
  const loops = [{ name: 'feeds', readModels: [], round: () => ({}) }];
  const [one, other] = ['one', 'other'].map((name) =>
    like({ name }, { open: () => ({ handlers: {}, loops }) }),
  );
  if (one === undefined || other === undefined) throw new Error('there are two');
  await t.rejects(start(t, [one, other]), {
    kind: 'refused',
    message: /^one and other can't be .* the loop feeds;/,
  });
  const leases = like({}, { actorTypes: [{ ...supervisorPeers.type, category: 'owl_loop' }] });
  await t.rejects(start(t, [leases]), { message: /^owl and other can't be .* the category owl_loop;/ });
  const { projections } = await semaphoreSystem.service();
  const [permits] = projections;
  if (permits === undefined) throw new Error('it has read models');
  const marks = like({}, { projections: [{ ...permits, table: 'Marks' }] });
  await t.rejects(start(t, [marks]), { message: /^owl and other can't be .* the table marks;/ });
  await start(t, [one]);
});

t.test('a copy of a system under another name is one line, and is refused for its category', async (t) => {
  const copy: System = { ...talent, name: 'copy' };
  const { code, stdout, stderr } = await owl(['--help'], [talent, copy]);
  t.equal(code, 1);
  t.equal(stdout, '');
  t.match(
    stderr,
    /^owl: talent and copy can't be systems of one owl: both have the category plot_task and supervisor, the projection /,
  );
  t.match(
    stderr,
    /, the command demo and talent and plot and supervisor and log-receiver; leave one of them out\n$/,
  );
});

t.test('a group of commands belongs to one system, or to owl itself', async (t) => {
  const adding = (name: string): Partial<System> => ({ commands: (program) => void program.command(name) });
  t.match(
    (await owl(['--help'], [semaphoreSystem, like(adding('semaphore'))])).stderr,
    [
      "owl: semaphore and other can't be systems of one owl: both have the command semaphore; leave one of them out\n",
    ].join(''),
  );
  t.match(
    (await owl(['--help'], [like(adding('up'))])).stderr,
    "owl: owl and other can't be systems of one owl: both have the command up;",
  );
  const listen = meant(z.string().optional(), { rule: 'must be a text', meaning: 'Where it answers.' });
  t.match(
    (await owl(['--help'], [like({ config: configSection(z.strictObject({ listen })) })])).stderr,
    'both have the key of the configuration listen;',
  );
});

t.test('two keys that are one variable are refused with both names', async (t) => {
  const text = () => meant(z.string().optional(), { rule: 'must be a text', meaning: 'A text.' });
  const section = (name: string, key: string) =>
    configSection(z.strictObject({ [name]: z.strictObject({ [key]: text() }).prefault({}) }));
  const [one, other] = [section('a_b', 'c'), section('a', 'b_c')];
  const both = [like({ name: 'one', config: one }), like({ config: other })];
  const message =
    "one and other can't be systems of one owl: both have the variable OWL_A_B_C (of a_b.c and of a.b_c); leave one of them out";
  t.match((await owl(['--help'], both)).stderr, message);
  const config = new Settings(both).load({ env: {}, cwd: t.testdir(), flags: { listen: '127.0.0.1:0' } });
  await t.rejects(startNode({ systems: both, config, logger: logLines().logger }), {
    kind: 'refused',
    message,
  });
  const twice = configSection(z.strictObject({ ...one.shape, ...other.shape }));
  t.match(
    (await owl(['--help'], [like({ config: twice })])).stderr,
    'owl: other has the variable OWL_A_B_C (of a_b.c and of a.b_c) twice; one of the keys needs another name\n',
  );
  t.match(
    (await owl(['--help'], [like({ config: section('log', 'level') })])).stderr,
    /both have the key of the configuration log;/,
    'one that is the same key is called so',
  );
  t.match(
    (await owl(['--help'], [like({ config: configSection(z.strictObject({ server: text() })) })])).stderr,
    "owl and other can't be systems of one owl: both have the variable OWL_SERVER (of --server and of server);",
  );
});

t.test('a system that can not begin with what was stored says so, and ends nothing', async (t) => {
  t.testdir();
  const begun: string[] = [];
  const failing = (name: string, work: () => void) =>
    like({ name }, { open: () => ({ handlers: {}, caughtUp: work }) });
  const node = await start(t, [
    failing('one', () => {
      throw new Error('no such lease');
    }),
    failing('two', () => void begun.push('two')),
    semaphoreSystem,
  ]);
  const { semaphores } = clientsOf(t, node.address);
  await until('health says so', async () => (await healthOf(node.address, 'one')) === 'NOT_SERVING');
  t.same(begun, ['two']);
  await semaphores.create({ name: 'gpu', capacity: 1 });
  const { stdout } = await owl(['node', 'status', '--json', '--server', node.address]);
  t.equal(
    JSON.parse(stdout).not_serving,
    'one could not begin with what was stored before (no such lease); start again',
  );
});

t.test('a system that can not work says why for as long as that is so, and serves', async (t) => {
  t.testdir();
  const problem: { of?: string } = {};
  const node = await start(t, [
    like({ name: 'one' }, { open: () => ({ handlers: {}, problem: () => problem.of }) }),
    semaphoreSystem,
  ]);
  const { semaphores } = clientsOf(t, node.address);
  const health = async (wanted: string) =>
    await until(`health says ${wanted}`, async () => (await healthOf(node.address, 'one')) === wanted);
  const reason = async () => {
    const { stdout } = await owl(['node', 'status', '--json', '--server', node.address]);
    return JSON.parse(stdout).not_serving;
  };
  await health('SERVING');
  for (const why of ['its printer is away', 'its printer has no paper']) {
    problem.of = why;
    await until(`the reason is that ${why}`, async () => (await reason()) === why);
    await health('NOT_SERVING');
  }
  await semaphores.create({ name: 'gpu', capacity: 1 });
  delete problem.of;
  await health('SERVING');
  t.equal(await reason(), '');
});
