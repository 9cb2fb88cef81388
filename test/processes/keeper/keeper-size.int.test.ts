/** The keeper is small: what it starts is a copy of it for a moment, and it stays for as long as anything runs. */

import { execFileSync } from 'node:child_process';
import t from 'tap';

/** Packages that a module of owl brings along, all together. What was there before is of whoever runs the tests. */
function packagesOf(module: string): string[] {
  const program = `
    import { createRequire } from 'node:module';
    const { cache } = createRequire(import.meta.url);
    const before = new Set(Object.keys(cache));
    await import(${JSON.stringify(module)});
    console.log(JSON.stringify(Object.keys(cache).filter((path) => !before.has(path))));`;
  const loaded = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const paths: string[] = JSON.parse(loaded);
  const packages = paths.flatMap((path) => {
    const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
    return name ?? [];
  });
  return [...new Set(packages)].sort();
}

const KEEPER = ['@photostructure/sqlite', 'node-gyp-build'];

t.test('it loads no package but the one that its lock is made of', async (t) => {
  const of = (path: string): string[] => packagesOf(new URL(`../../../src/${path}`, import.meta.url).href);
  t.same(of('processes/keeper/run-keeper.js'), KEEPER);
  for (const directory of ['workload/machine/pilot-directory.js', 'talent/machine/talent-directory.js'])
    t.same(
      of(`systems/${directory}`).filter((name) => !KEEPER.includes(name)),
      [],
      directory,
    );
  t.ok(of('wire/peers-client.js').includes('@grpc/grpc-js'), 'it would be seen');
});
