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
