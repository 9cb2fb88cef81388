/**
 * The package as it is published, unpacked elsewhere: what is in it, and that a system of another package is written with it.
 * Its dependencies are those of this checkout, since no test asks the network; `.ci/installed` installs it as users do.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { type OwlOptions, startOwl } from '../support/owl-process.js';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';

const Manifest = z.object({
  dependencies: z.record(z.string(), z.string()),
  scripts: z.object({ prepack: z.string() }),
});
const Sbom = z.object({
  bomFormat: z.literal('CycloneDX'),
  metadata: z.object({ component: z.object({ name: z.string() }) }),
  components: z.array(
    z.object({
      name: z.string(),
      purl: z.string().startsWith('pkg:npm/'),
      licenses: z.array(z.unknown()).min(1),
      externalReferences: z.array(z.object({ type: z.string(), url: z.string() })),
    }),
  ),
});
/** What who writes a system has besides owl. */
const WRITERS = ['typescript', '@types/node', 'xstate', 'zod', 'commander'];

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');

const elsewhere = testDirectory(t);
const modules = join(elsewhere, 'node_modules');
const owl = join(modules, 'owl-fleet');
mkdirSync(modules);
run(process.execPath, ['.ci/sbom.js'], PACKAGE_ROOT);
run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', elsewhere], PACKAGE_ROOT);
run('sh', ['-c', 'tar xzf owl-fleet-*.tgz && mv package node_modules/owl-fleet'], elsewhere);
const { dependencies, scripts } = Manifest.parse(JSON.parse(read(owl, 'package.json')));
for (const name of new Set([...Object.keys(dependencies), ...WRITERS])) {
  mkdirSync(dirname(join(modules, name)), { recursive: true });
  symlinkSync(join(PACKAGE_ROOT, 'node_modules', name), join(modules, name));
}

t.test('it holds what runs and what describes it, and nothing of where it came from', async (t) => {
  const files = readdirSync(owl, { recursive: true, encoding: 'utf8' });
  t.ok(files.length > 100);
  t.same(
    files.filter((name) => /(^|\/)(test|bench|node_modules|\.ci|package-lock\.json)(\/|$)/.test(name)),
    [],
  );
  for (const name of ['LICENSE', 'README.md', 'docs/security.md', 'proto/talent.proto'])
    t.ok(files.includes(name), name);
  const places = files.map((name) => join(owl, name)).filter((path) => statSync(path).isFile());
  t.same(
    [join(PACKAGE_ROOT, 'package-lock.json'), ...places].filter((path) =>
      /\bregistry\.[a-z]+\.[a-z]+/.test(read(path)),
    ),
    [],
    'no host of a registry',
  );
});

t.test('its SBOM names every dependency with its licence, and no place to fetch it from', async (t) => {
  const text = read(owl, 'dist/sbom.cdx.json');
  const { metadata, components } = Sbom.parse(JSON.parse(text));
  t.equal(metadata.component.name, 'owl-fleet');
  const names = new Set(components.map(({ name }) => name));
  t.same(
    Object.keys(dependencies).filter((name) => !names.has(name)),
    [],
  );
  t.ok(names.has('protobufjs'), 'those of dependencies as well');
  t.notOk(names.has('typescript'), 'and none of who develops it');
  const places = components.flatMap(({ externalReferences }) => externalReferences);
  t.same(
    places.filter(({ type, url }) => type === 'distribution' || /\.tgz$|registry\./.test(url)),
    [],
  );
  t.notMatch(text, /serialNumber|timestamp/, 'the same tree gives the same file');
  t.equal(scripts.prepack, 'node .ci/sbom.js', 'whoever packs writes it');
});

t.test('a system of another package is compiled with it and runs beside talent', async (t) => {
  cpSync(join(PACKAGE_ROOT, 'test/systems/tally'), elsewhere, { recursive: true });
  const { compilerOptions } = z
    .object({ compilerOptions: z.record(z.string(), z.unknown()) })
    .parse(JSON.parse(read(PACKAGE_ROOT, 'tsconfig.json')));
  writeFileSync(join(elsewhere, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  writeFileSync(
    join(elsewhere, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, incremental: false }, include: ['*.ts'] }),
  );
  // tap changes how Node loads programs, by a variable that it gives to everything below a test.
  const tsc = [process.execPath, join(modules, 'typescript/bin/tsc')];
  t.equal(run('env', ['-u', 'NODE_OPTIONS', ...tsc], elsewhere), '');

  const options: OwlOptions = { cwd: elsewhere, owl: join(elsewhere, 'dist/main.js') };
  const settings = ['--systems', 'talent,tally', '--listen', '127.0.0.1:0'];
  const up = startOwl(t, ['up', '--json', '--no-machine', '--data', 'data', ...settings], options);
  await until('it is up', () => {
    if (up.child.exitCode !== null) throw new Error(up.stderr());
    return up.stdout().endsWith('\n');
  });
  const { address } = z.object({ address: z.string() }).parse(JSON.parse(up.stdout()));
  const env = { OWL_LISTEN: address, OWL_DATA: 'data' };
  const say = async (...args: string[]) => {
    const { code, stdout, stderr } = await startOwl(t, args, { ...options, env }).ended;
    t.equal(code, 0, stderr);
    return stdout;
  };
  t.equal(await say('tally', 'add', 'visitors'), '1\n');
  t.same(JSON.parse(await say('tally', 'list')), [{ name: 'visitors', count: 1 }]);
  up.child.kill('SIGTERM');
  t.equal((await up.ended).code, 0);
});
