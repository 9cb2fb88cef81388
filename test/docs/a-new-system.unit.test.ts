/** docs/a-new-system.md shows code that is compiled and run: each piece stands in the file that it names. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';

const read = (path: string): string => readFileSync(join(PACKAGE_ROOT, path), 'utf8');
const PAGE = 'docs/a-new-system.md';
const PIECE = /^```ts file=(\S+)\n([\s\S]*?)^```$/gm;

t.test('each piece of code stands in its file as it is shown', async (t) => {
  const page = read(PAGE);
  const pieces = [...page.matchAll(PIECE)];
  t.equal(pieces.length, page.match(/^```ts/gm)?.length, 'each names its file');
  t.ok(pieces.length >= 6);
  for (const [, path = '', code = ''] of pieces) t.ok(read(path).includes(code), `${path}:\n${code}`);
});

for (const path of [PAGE, 'docs/architecture.md']) {
  t.test(`every path that ${path} names is there`, async (t) => {
    const paths = read(path).match(/`(src|test|machines|projections|proto)\/[\w./-]*`/g) ?? [];
    t.ok(paths.length > 3);
    // Folders that a plan names are no example: each has to be there.
    for (const name of paths) t.doesNotThrow(() => readFileOrFolder(name.slice(1, -1)), name);
  });
}

function readFileOrFolder(path: string): void {
  try {
    read(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EISDIR')) throw error;
  }
}

/** What of owl stands in code of the page and is not what a system is written with: where this repository lies, and its own tests. */
const NOT_FOR_SYSTEMS = new Set(['PACKAGE_ROOT', 'localCredentials']);
const IMPORT =
  /^import (?:type )?(?:\* as \w+|\{([^}]*)\}) from '([^']*\/(?:src|machines|projections)\/[^']*)';$/gm;

/** Names that an entry gives on, and the files that it gives on whole. */
function givenOn(entry: string): { readonly names: ReadonlySet<string>; readonly whole: readonly string[] } {
  const lists = [...entry.matchAll(/^export (?:type )?\{([^}]*)\} from/gm)].flatMap(([, names = '']) =>
    namesIn(names),
  );
  const own = [...entry.matchAll(/^export (?:async )?function (\w+)/gm)].map(([, name = '']) => name);
  const whole = [...entry.matchAll(/^export \* as \w+ from '[./]*([^']*)\.js'/gm)].map(
    ([, path = '']) => path,
  );
  return { names: new Set([...lists, ...own]), whole };
}

function namesIn(list: string): string[] {
  return list.split(',').flatMap((name) => /^\s*(?:type )?(\w+)/.exec(name)?.[1] ?? []);
}

t.test('what the code of the page has of owl, a package of its own has as well', async (t) => {
  const { names, whole } = givenOn(read('src/system-entry/index.ts'));
  t.ok(names.size > 100 && whole.length === 3);
  const files = new Set([...read(PAGE).matchAll(PIECE)].map(([, path = '']) => path));
  t.ok(files.size > 8);
  let found = 0;
  for (const file of files) {
    for (const [, list = '', path = ''] of read(file).matchAll(IMPORT)) {
      if (whole.some((one) => path.endsWith(`${one}.js`))) continue;
      const missing = namesIn(list).filter((name) => !names.has(name) && !NOT_FOR_SYSTEMS.has(name));
      t.same(missing, [], `${file}: ${path}`);
      found += namesIn(list).length;
    }
  }
  t.ok(found > 40);
});
