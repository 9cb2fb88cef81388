/** docs/security.md: each of its commands is run against the node of the page; and a plot is made by a machine with a token. */

import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { type OwlProcess, startOwl } from '../support/owl-process.js';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/security.md'), 'utf8');
const OWL = fileURLToPath(new URL('../../src/owl.js', import.meta.url));
const PORT = '50051';
const BLOCKS = [...PAGE.matchAll(/```sh\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g)];
const [NODE_YAML = '', CLIENT_YAML = ''] = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map(
  ([, text]) => text,
);

interface World {
  readonly cwd: string;
  readonly port: string;
  readonly up: OwlProcess;
  /** Runs commands as they stand on the page, on the machine of the node. */
  run(script: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string };
}

async function nodeOfThePage(t: Test, args: readonly string[] = []): Promise<World> {
  const cwd = testDirectory(t);
  for (const name of ['node.pem', 'node.key', 'farm-ca.pem'])
    copyFileSync(join(PACKAGE_ROOT, 'test/fixtures/tls', name), join(cwd, name));
  const listen = `0.0.0.0:${PORT}`;
  t.match(NODE_YAML, listen);
  // Nobody believes the authority of the tests by itself.
  const yaml = NODE_YAML.replace('tls:', 'tls:\n  ca: farm-ca.pem');
  writeFileSync(join(cwd, 'owl.yaml'), yaml.replace(listen, '0.0.0.0:0'));
  writeFileSync(join(cwd, 'overlord.yaml'), CLIENT_YAML);
  const up = startOwl(t, ['up', '--json', ...args], { cwd, env: { OWL_SUPERVISOR_PLOTTER: 'player' } });
  await until('it is up', () => up.stdout().endsWith('\n'));
  const { address } = z.object({ address: z.string() }).parse(JSON.parse(up.stdout()));
  const port = address.split(':').at(-1) ?? '';
  // What finds the node by its configuration finds the port that it was given.
  writeFileSync(join(cwd, 'owl.yaml'), yaml.replace(PORT, port));
  mkdirSync(join(cwd, 'bin'));
  writeFileSync(join(cwd, 'bin', 'owl'), `#!/bin/sh\nexec "${process.execPath}" "${OWL}" "$@"\n`);
  chmodSync(join(cwd, 'bin', 'owl'), 0o755);
  const env = { PATH: `${join(cwd, 'bin')}:${process.env['PATH']}` };
  const run = (script: string) =>
    spawnSync('sh', ['-e', '-c', script.replaceAll(PORT, port)], { cwd, env, encoding: 'utf8' });
  return { cwd, port, up, run };
}

t.test('each command says what the page says', async (t) => {
  const { cwd, up, run } = await nodeOfThePage(t);
  t.ok(BLOCKS.length >= 6);
  for (const [, script = '', said] of BLOCKS) {
    const { status, stdout, stderr } = run(script);
    t.equal(status, 0, `${script}\n${stderr}`);
    if (said !== undefined) t.equal(stdout.trim(), said.trim(), script);
  }
  const { supervisors } = z
    .object({ supervisors: z.array(z.object({ status: z.string() })) })
    .parse({ supervisors: JSON.parse(run('owl supervisor list --json').stdout) });
  t.match(supervisors, [{ status: 'attached' }], 'what `owl up` runs here was told no token');
  t.equal(statSync(join(cwd, 'overlord.token')).mode & 0o077, 0);
  const secrets = ['overlord.token', 'shed-3.token', 'data/local-token'].map((name) =>
    readFileSync(join(cwd, name), 'utf8').trim(),
  );
  for (const secret of secrets) {
    t.match(secret, /^owl_/);
    t.notMatch(up.stderr(), secret, 'no log has it');
    t.notOk(readFileSync(join(cwd, 'data', 'owl.db')).includes(secret), 'nor the store');
    t.notOk(readFileSync(join(cwd, 'data', 'access.json')).includes(secret));
  }
  up.child.kill('SIGTERM');
  t.match(await up.ended, { code: 0 });
});

t.test('a machine makes a plot with nothing but its token, over TLS', async (t) => {
  const { cwd, port, up, run } = await nodeOfThePage(t, ['--no-machine']);
  const made = run(`umask 077
    owl access add overlord --role submitter,reader > overlord.token
    owl access add shed-3 --role worker,reporter --worker shed-3 > shed-3.token
    mkdir cache farm`);
  t.equal(made.status, 0, made.stderr);
  const player = {
    argv: [
      ...['{node}', '{player}', '--log', '{recording}', '--seconds', '1', '-t', '{cache1}', '-2', '{cache2}'],
      ...['-d', '{dest}', '-i', '{plot_id}'],
    ],
    format: 'madmax',
    temp: ['plot-k{ksize}-*-{plot_id}.*tmp'],
    fills: [],
  };
  const config = {
    ...{ data: './shed', worker_id: 'shed-3', token_file: 'shed-3.token', tls: { ca: 'farm-ca.pem' } },
    ...{ supervisor: { plotter: 'player' }, plotters: { player } },
  };
  writeFileSync(join(cwd, 'shed-3.yaml'), stringify(config));
  const args = ['supervisor', 'run', '--config', 'shed-3.yaml', '--server', `localhost:${port}`, '--json'];
  const supervisor = startOwl(t, args, { cwd });
  try {
    await until('it is there', () => supervisor.stdout().endsWith('\n'));
    const ordered = run(
      `owl --config overlord.yaml --server localhost:${PORT} plot create --task-id task_1 --worker-id shed-3 ` +
        '--cache1 $PWD/cache --dest-path $PWD/farm',
    );
    t.equal(ordered.status, 0, ordered.stderr);
    const talent = new PlotManagerClient({
      server: `localhost:${port}`,
      credentials: {
        tls: { ca: join(cwd, 'farm-ca.pem') },
        token: { file: join(cwd, 'overlord.token') },
      },
    });
    t.teardown(() => talent.close());
    await until('the plot is made, and its log was told of', async () => {
      const { status, plot_details: details } = await talent.status({ task_id: 'task_1' });
      return status === 'finished' && details?.progress === 100;
    });
    t.notMatch(supervisor.stderr(), 'talent is away');
  } finally {
    // In order, so that its log receiver ends with it.
    supervisor.child.kill('SIGTERM');
    await supervisor.ended;
  }
  up.child.kill('SIGTERM');
  t.match(await up.ended, { code: 0 });
  t.notMatch(up.stderr(), 'a call was denied');
});
