/** What a program with further systems loads to print its help. A file of its own, for what another test has loaded stays. */

import { createRequire } from 'node:module';
import t from 'tap';

const loaded = createRequire(import.meta.url).cache;

/** Libraries that are loaded by now. */
function libraries(): Set<string> {
  const names = Object.keys(loaded).map((path) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
}

t.test(
  'what systems are written with loads no library that the command line of owl does not load',
  async (t) => {
    const before = libraries();
    await import('../../src/run.js');
    const ofOwl = libraries();
    t.ok(ofOwl.has('commander') && !before.has('commander'));
    t.notOk(ofOwl.has('fastify') || ofOwl.has('@grpc/reflection') || ofOwl.has('pidusage'));
    await import('../../src/system-entry/index.js');
    t.same(
      [...libraries()].filter((name) => !ofOwl.has(name)),
      [],
    );
  },
);
